"""The datasets that SCV knows: names, shapes, classes, sizes and where they come from."""

from math import prod
from pathlib import Path
from typing import Literal

import msgspec

from scv.data.official import loader_source


class UnknownDatasetError(Exception):
    """No dataset has this name; `message` is an English sentence that lists those there are."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class Original(msgspec.Struct, frozen=True, kw_only=True):
    """An original file, by the name under which torchvision reads it.

    `md5` is of the file itself, `gz_md5` of the packed file that its makers publish; each is empty where none is
    known. `idx` is the shape of the array that it holds where it is an idx file, as all of the MNIST family are.
    """

    name: str
    md5: str = ""
    gz_md5: str = ""
    idx: tuple[int, ...] = ()

    @property
    def idx_header(self) -> bytes:
        """With what an idx file of bytes begins: the type, the number of dimensions, and each of them."""
        return bytes((0, 0, 8, len(self.idx))) + b"".join(side.to_bytes(4, "big") for side in self.idx)

    @property
    def idx_bytes(self) -> int:
        """How long the idx file is."""
        return len(self.idx_header) + prod(self.idx)


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it is published, at any of `urls`; it `holds` these originals. `size` is in bytes."""

    urls: tuple[str, ...]
    md5: str
    size: int
    holds: tuple[str, ...]

    @property
    def file(self) -> str:
        return self.urls[0].rpartition("/")[2]


class Handwriting(msgspec.Struct, frozen=True, kw_only=True):
    """How a dataset of handwriting was made from scanned characters: white on black, of one size, in the middle.

    `box` is the height and width that a character is fitted into, in pixels; where it is narrower it may be widened by
    `stretch`. With `upright` its slant is taken away first. Its `centre` is that of its mass or of its box. `thickness`
    is what most strokes have, the least and the most, as a share of the image's side.
    """

    box: tuple[int, int]
    stretch: float = 1.0
    upright: bool = False
    centre: Literal["mass", "box"] = "mass"
    thickness: tuple[float, float]


class DatasetInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An official dataset. Its images are uint8, all of one `shape`, `(C, H, W)`; labels count from 0.

    `epochs` is how many a small network needs to do well, and what a new model starts with. `mirrored` says that
    what is mirrored shows the same class, as with animals but not with letters.
    `script_loader` is the part of the standalone script that reads the dataset: Python source which
    defines `load_data(folder)` and needs `torch` imported and nothing else of the script. It returns
    `train_images, train_labels, test_images, test_labels`: uint8 (N, C, H, W) and int64 (N,) tensors,
    equal to the resident arrays and in the same order. `validation_size` says how many of the training images the
    dataset itself has for validation, 0 where the settings hold out a share; if it has some, `load_data` returns as
    a fifth which they are, a bool (N,) tensor.

    `handwriting` says how its images of handwriting were made, None where they are of something else; `backdrop` that
    each shows one thing on a black backdrop. A person's own image is brought into the same form (`own_image`).

    `loader` is the class of torchvision that reads the `originals`, which lie in `{data_dir}/{folder}`. A dataset
    without them comes with a library. `licence` is its name, or one of "unstated", "non-commercial", "public domain".
    """

    name: str
    title: str
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    train_size: int
    test_size: int
    epochs: int
    licence: str
    source: str
    script_loader: str
    validation_size: int = 0
    mirrored: bool = False
    handwriting: Handwriting | None = None
    backdrop: bool = False
    loader: str = ""
    folder: str = ""
    originals: tuple[Original, ...] = ()
    downloads: tuple[Download, ...] = ()
    script_folder: str = "data"
    """What the script's `load_data` gets where nobody says otherwise."""

    @property
    def classes(self) -> int:
        """How many classes there are, and so how many numbers a network ends in."""
        return len(self.class_names)

    @property
    def bytes(self) -> int:
        """The size of all images in memory."""
        return (self.train_size + self.test_size) * prod(self.shape)

    @property
    def download_bytes(self) -> int:
        """How much is downloaded where nothing is in place."""
        return sum(download.size for download in self.downloads)

    def missing(self, data_dir: Path) -> tuple[str, ...]:
        """The names of the original files that are not in place."""
        folder = data_dir / self.folder
        return tuple(original.name for original in self.originals if not (folder / original.name).is_file())

    def is_at_hand(self, data_dir: Path) -> bool:
        """Whether all original files are in place, some perhaps still packed as they are published."""
        folder = data_dir / self.folder
        held = {name for download in self.downloads if (folder / download.file).is_file() for name in download.holds}
        return all(name in held or (folder / f"{name}.gz").is_file() for name in self.missing(data_dir))


def _idx_files(train: int, test: int, *, prefix: str = "", second: str = "t10k") -> tuple[Original, ...]:
    return tuple(
        Original(name=f"{prefix}{part}-{kind}-ubyte", idx=(count, *sides))
        for part, count in (("train", train), (second, test))
        for kind, sides in (("images-idx3", (28, 28)), ("labels-idx1", ()))
    )


def _with_hashes(originals: tuple[Original, ...], **hashes: tuple[str, ...]) -> tuple[Original, ...]:
    """The same files with one of each kind of hash, `md5` or `gz_md5`, in their order."""
    rows = [dict(zip(hashes, row, strict=True)) for row in zip(*hashes.values(), strict=True)]
    return tuple(msgspec.structs.replace(original, **row) for original, row in zip(originals, rows, strict=True))


def _packed(originals: tuple[Original, ...], sizes: tuple[int, ...], *places: str) -> tuple[Download, ...]:
    """Each file is published by itself, packed by gzip, in all these places."""
    return tuple(
        Download(
            urls=tuple(f"{place}{original.name}.gz" for place in places),
            md5=original.gz_md5,
            size=size,
            holds=(original.name,),
        )
        for original, size in zip(originals, sizes, strict=True)
    )


_MNIST = _with_hashes(
    _idx_files(60000, 10000),
    md5=(
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ),
    gz_md5=(
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
)

_FASHION_MNIST = _with_hashes(
    _idx_files(60000, 10000),
    gz_md5=(
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
)

_EMNIST_LETTERS = _idx_files(124800, 20800, prefix="emnist-letters-", second="test")

_CIFAR10 = (
    Original(name="data_batch_1", md5="c99cafc152244af753f735de768cd75f"),
    Original(name="data_batch_2", md5="d4bba439e000b95fd0a9bffe97cbabec"),
    Original(name="data_batch_3", md5="54ebc095f3ab1f0389bbae665268c751"),
    Original(name="data_batch_4", md5="634d18415352ddfa80567beed471001a"),
    Original(name="data_batch_5", md5="482c414d41f54cd18b22e5b47cb7c3cb"),
    Original(name="test_batch", md5="40351d587109b95175f43aff81a1287e"),
    Original(name="batches.meta", md5="5ff9c542aee3614f3951f8cda6e48888"),
)

_SVHN = (
    Original(name="train_32x32.mat", md5="e26dedcc434d2e4c54c9b2d4a06d8373"),
    Original(name="test_32x32.mat", md5="eb5a983be6a315427106f1b164d9cef3"),
)

_OF_MNIST = Handwriting(box=(20, 20), thickness=(2.0 / 28, 3.1 / 28))
"""LeCun et al. 1998: fitted into 20×20, then centred by mass in 28×28. Half of the test set's strokes are so thick."""

_OF_EMNIST = Handwriting(box=(24, 24), centre="box", thickness=(2.0 / 28, 3.5 / 28))
"""Cohen et al. 2017: the region of the character in the middle of a square, with a border of 2 pixels."""

_OF_DIGITS = Handwriting(box=(8, 6), stretch=1.6, upright=True, centre="box", thickness=(1.2 / 8, 1.6 / 8))
"""NIST's normalization (Garris et al. 1994): without slant, widened to fill 32×32; each pixel counts 4×4 of them.

Width, `stretch` and thickness are those with which networks of Digits read drawings best.
"""

DATASETS: dict[str, DatasetInfo] = {
    info.name: info
    for info in (
        DatasetInfo(
            name="digits",
            title="Digits",
            shape=(1, 8, 8),
            class_names=tuple("0123456789"),
            train_size=1442,
            test_size=355,
            epochs=30,
            licence="CC BY 4.0",
            source="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
            script_loader=loader_source.DIGITS,
            handwriting=_OF_DIGITS,
        ),
        DatasetInfo(
            name="mnist",
            title="MNIST",
            shape=(1, 28, 28),
            class_names=tuple("0123456789"),
            train_size=60000,
            test_size=10000,
            epochs=3,
            licence="CC BY-SA 3.0",
            source="http://yann.lecun.com/exdb/mnist/",
            script_loader=loader_source.MNIST,
            handwriting=_OF_MNIST,
            loader="MNIST",
            folder="MNIST/raw",
            originals=_MNIST,
            downloads=_packed(
                _MNIST,
                (9912422, 28881, 1648877, 4542),
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "http://yann.lecun.com/exdb/mnist/",
            ),
        ),
        DatasetInfo(
            name="fashion-mnist",
            title="Fashion-MNIST",
            shape=(1, 28, 28),
            class_names=(
                "T-shirt/top",
                "Trouser",
                "Pullover",
                "Dress",
                "Coat",
                "Sandal",
                "Shirt",
                "Sneaker",
                "Bag",
                "Ankle boot",
            ),
            train_size=60000,
            test_size=10000,
            epochs=5,
            licence="MIT",
            source="https://github.com/zalandoresearch/fashion-mnist",
            script_loader=loader_source.FASHION_MNIST,
            backdrop=True,
            mirrored=True,
            loader="FashionMNIST",
            folder="FashionMNIST/raw",
            originals=_FASHION_MNIST,
            downloads=_packed(
                _FASHION_MNIST,
                (26421880, 29515, 4422102, 5148),
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            ),
        ),
        DatasetInfo(
            name="cifar10",
            title="CIFAR-10",
            shape=(3, 32, 32),
            class_names=(
                "airplane",
                "automobile",
                "bird",
                "cat",
                "deer",
                "dog",
                "frog",
                "horse",
                "ship",
                "truck",
            ),
            train_size=50000,
            test_size=10000,
            epochs=10,
            licence="unstated",
            source="https://www.cs.toronto.edu/~kriz/cifar.html",
            script_loader=loader_source.CIFAR10,
            mirrored=True,
            loader="CIFAR10",
            folder="cifar-10-batches-py",
            originals=_CIFAR10,
            downloads=(
                Download(
                    urls=("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
                    md5="c58f30108f718f92721af3b95e74349a",
                    size=170498071,
                    holds=tuple(original.name for original in _CIFAR10),
                ),
            ),
        ),
        DatasetInfo(
            name="svhn",
            title="SVHN",
            shape=(3, 32, 32),
            class_names=tuple("0123456789"),
            train_size=73257,
            test_size=26032,
            epochs=5,
            licence="non-commercial",
            source="http://ufldl.stanford.edu/housenumbers/",
            script_loader=loader_source.SVHN,
            loader="SVHN",
            folder="SVHN",
            originals=_SVHN,
            downloads=tuple(
                Download(
                    urls=(f"http://ufldl.stanford.edu/housenumbers/{original.name}",),
                    md5=original.md5,
                    size=size,
                    holds=(original.name,),
                )
                for original, size in zip(_SVHN, (182040794, 64275384), strict=True)
            ),
        ),
        DatasetInfo(
            name="emnist-letters",
            title="EMNIST Letters",
            shape=(1, 28, 28),
            class_names=tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            train_size=124800,
            test_size=20800,
            epochs=3,
            licence="public domain",
            source="https://www.nist.gov/itl/products-and-services/emnist-dataset",
            script_loader=loader_source.EMNIST_LETTERS,
            handwriting=_OF_EMNIST,
            loader="EMNIST",
            folder="EMNIST/raw",
            originals=_EMNIST_LETTERS,
            downloads=(
                Download(
                    urls=("https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",),
                    md5="58c8d27c78d21e728a6bc7b3cc06412e",
                    size=561753746,
                    holds=tuple(original.name for original in _EMNIST_LETTERS),
                ),
            ),
        ),
    )
}
"""All datasets by name, in the order in which they are offered."""


def find(name: str) -> DatasetInfo:
    """Look a dataset up. Raises `UnknownDatasetError`."""
    try:
        return DATASETS[name]
    except KeyError:
        raise UnknownDatasetError(
            f"There is no dataset named {name[:40]!r}; there are {', '.join(DATASETS)}."
        ) from None
