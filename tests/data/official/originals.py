"""Small datasets in the original formats of the large ones, and the facts that the catalogue would hold of them."""

import gzip
import hashlib
import pickle
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import msgspec
import numpy as np
from scipy.io import savemat

from scv.data.official.catalogue import DatasetInfo, Download, Original, find

TRAIN, TEST = 520, 130
"""Images in each part; every one of 10 or 26 classes has as many."""


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def random_images(count: int, shape: tuple[int, int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    """An idx file of bytes, as LeCun defined it."""
    sides = b"".join(side.to_bytes(4, "big") for side in array.shape)
    return bytes((0, 0, 8, array.ndim)) + sides + array.astype(np.uint8).tobytes()


class Small:
    """A small dataset: `files` are the originals by name, `published` what would be downloaded, `info` its facts.

    `images` and `labels` are what must come out, train and test, each (N, C, H, W) and (N,).
    """

    def __init__(self, name: str, files: dict[str, bytes], published: dict[str, bytes]) -> None:
        self.files, self.published = files, published
        self.images: dict[str, np.ndarray] = {}
        self.labels: dict[str, np.ndarray] = {}
        info = find(name)
        hashed = name in ("cifar10", "svhn")
        self.info: DatasetInfo = msgspec.structs.replace(
            info,
            name=f"small-{name}",
            train_size=TRAIN,
            test_size=TEST,
            originals=tuple(
                Original(
                    name=file,
                    md5=md5(content) if hashed else "",
                    gz_md5=md5(published[f"{file}.gz"]) if f"{file}.gz" in published else "",
                    idx=() if hashed else _idx_shape(content),
                )
                for file, content in files.items()
            ),
            downloads=tuple(
                Download(
                    urls=(f"http://127.0.0.1:9/{file}",),
                    md5=md5(content),
                    size=len(content),
                    holds=(file.removesuffix(".gz"),) if len(published) > 1 else tuple(files),
                )
                for file, content in published.items()
            ),
        )

    def put(self, folder: Path, names: dict[str, bytes] | None = None) -> Path:
        """Write the originals, or what is given, into the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in (names or self.files).items():
            (folder / name).write_bytes(content)
        return folder

    def in_place(self, data_dir: Path) -> Path:
        return self.put(data_dir / self.info.folder)


def _idx_shape(content: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(content[3]))


def mnist_like(name: str, *, prefix: str = "", second: str = "t10k") -> Small:
    """Fashion-MNIST or EMNIST letters: four idx files, published packed one by one, or all in one zip file."""
    letters = name == "emnist-letters"
    classes = 26 if letters else 10
    images = {part: random_images(count, (1, 28, 28), count) for part, count in (("train", TRAIN), ("test", TEST))}
    if letters:
        images["train"][0, 0] = letter_f()
    labels = {part: np.arange(len(array)) % classes for part, array in images.items()}
    files = {}
    for part, stem in (("train", "train"), ("test", second)):
        stored = images[part][:, 0].transpose(0, 2, 1) if letters else images[part][:, 0]
        files[f"{prefix}{stem}-images-idx3-ubyte"] = idx(stored)
        files[f"{prefix}{stem}-labels-idx1-ubyte"] = idx(labels[part] + (1 if letters else 0))
    packed = {f"{file}.gz": gzip.compress(content, mtime=0) for file, content in files.items()}
    if letters:
        others = {"emnist-digits-train-labels-idx1-ubyte.gz": gzip.compress(b"not asked for")}
        published = {"gzip.zip": zip_of({f"gzip/{file}": data for file, data in (others | packed).items()})}
    else:
        published = packed
    small = Small(name, files, published)
    small.images, small.labels = images, labels
    return small


def letter_f() -> np.ndarray:
    """An F as one reads it: a stem on the left, a long bar at the top, a short one in the middle."""
    image = np.zeros((28, 28), dtype=np.uint8)
    image[4:24, 6:9] = 255
    image[4:7, 6:22] = 255
    image[12:15, 6:17] = 255
    return image


def fashion_mnist() -> Small:
    return mnist_like("fashion-mnist")


def emnist_letters() -> Small:
    return mnist_like("emnist-letters", prefix="emnist-letters-", second="test")


def cifar10(per_batch: int = TRAIN // 5) -> Small:
    """Five pickled batches, one for the test and one of names, in a packed tar archive."""
    files: dict[str, bytes] = {}
    images, labels = [], []
    for number in range(6):
        count = TEST if number == 5 else per_batch
        array = random_images(count, (3, 32, 32), number)
        images.append(array)
        labels.append((np.arange(count) + number) % 10)
        batch = {
            "batch_label": "a batch",
            "labels": labels[-1].tolist(),
            "data": array.reshape(count, -1),
            "filenames": ["a.png"] * count,
        }
        files["test_batch" if number == 5 else f"data_batch_{number + 1}"] = pickle.dumps(batch, protocol=2)
    names = {"num_cases_per_batch": per_batch, "label_names": list(find("cifar10").class_names)}
    files["batches.meta"] = pickle.dumps(names, protocol=2)
    archive = tar_of({f"cifar-10-batches-py/{file}": content for file, content in files.items()}, "gz")
    small = Small("cifar10", files, {"cifar-10-python.tar.gz": archive})
    small.images = {"train": np.concatenate(images[:5]), "test": images[5]}
    small.labels = {"train": np.concatenate(labels[:5]), "test": labels[5]}
    small.info = msgspec.structs.replace(small.info, train_size=5 * per_batch)
    return small


def svhn() -> Small:
    """Two files of MATLAB, X (32, 32, 3, N) and y (N, 1), where the digit 0 has the label 10."""
    files: dict[str, bytes] = {}
    images, labels = {}, {}
    for part, count in (("train", TRAIN), ("test", TEST)):
        images[part], labels[part] = random_images(count, (3, 32, 32), count), np.arange(count) % 10
        stored = np.where(labels[part] == 0, 10, labels[part]).astype(np.uint8)[:, np.newaxis]
        file = BytesIO()
        savemat(file, {"X": images[part].transpose(2, 3, 1, 0), "y": stored}, do_compression=True)
        files[f"{part}_32x32.mat"] = file.getvalue()
    small = Small("svhn", files, dict(files))
    small.images, small.labels = images, labels
    return small


ALL = {"fashion-mnist": fashion_mnist, "cifar10": cifar10, "svhn": svhn, "emnist-letters": emnist_letters}


def zip_of(members: dict[str, bytes]) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def tar_of(members: dict[str, bytes], packing: str = "") -> bytes:
    file = BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{packing}") as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
    return file.getvalue()
