"""The resident form of a dataset: uint8 arrays on disk that are mapped into memory, never decoded again.

A folder `{data_dir}/datasets/{name}/` holds four `.npy` files of images and labels, `probes.npy`, and `meta.json`
(format, class names, mean, standard deviation, content hash). It appears by one rename, so that it is there whole
or not at all. Which images validate is not stored, since `splits.split` says it of any labels; but where a dataset has
pictures of its own for that, they are among the training images, and `validation.npy` holds their indices.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
import tokenize
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from mmap import MADV_DONTNEED, mmap
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from scv.data import splits
from scv.data.atomic import flush, flush_files, flush_names
from scv.data.catalogue import DATASETS

_FORMAT = 2

_PIECE = 1024
"""So many images are converted at a time: their pixels are counted, eight bytes each, in 8 MB for CIFAR-10."""

_AT_ONCE = 4 * 2**20  # bytes, of which a copy is made

_UNREADABLE = (
    OSError,
    ValueError,
    OverflowError,
    MemoryError,
    SyntaxError,
    tokenize.TokenError,
    msgspec.DecodeError,
)
"""What reading a spoilt file raises: the header of an array is Python source."""


class ResidentError(Exception):
    """The resident form is missing, torn or of another format: it has to be written (again)."""


class Arrays(NamedTuple):
    """A dataset: images are uint8 (N, C, H, W), labels int64 (N,) counting from 0."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


class _Meta(msgspec.Struct, frozen=True):
    format: int
    hash: str
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    validation: int = 0
    """How many indices `validation.npy` holds; where there are none there is no such file."""


@dataclass(frozen=True, kw_only=True)
class Resident:
    """An open dataset. The arrays are read-only views of the files and cost no memory until they are read.

    `mean` and `std` are per channel, over all pixels of all training images, with pixels from 0 to 1.
    `hash` names the content, not the file: `sha256:` and 64 hex digits. `probes` are the indices of the test images
    by which networks are compared (`splits.probes`). `own_validation` are those of the training images that the
    dataset itself has for validation, ascending; None where the settings hold out a share.
    """

    name: str
    train_images: NDArray[np.uint8]  # (N, C, H, W)
    train_labels: NDArray[np.int64]  # (N,)
    test_images: NDArray[np.uint8]  # (M, C, H, W)
    test_labels: NDArray[np.int64]  # (M,)
    probes: NDArray[np.int64]  # (100,)
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    hash: str
    own_validation: NDArray[np.int64] | None = None  # (V,)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image, `(C, H, W)`."""
        _, channels, height, width = self.train_images.shape
        return channels, height, width

    @cached_property
    def classes(self) -> int:
        """How many classes the labels tell apart."""
        return int(self.train_labels.max()) + 1

    @property
    def probe_images(self) -> NDArray[np.uint8]:
        """The pictures by which networks are compared, (100, C, H, W)."""
        return np.asarray(self.test_images[self.probes])

    @cached_property
    def train_parts(self) -> NDArray[np.str_]:
        """ "val" for each training image that the dataset itself has for validation, "train" for the others, (N,)."""
        parts = np.full(len(self.train_labels), "train")
        if self.own_validation is not None:
            parts[self.own_validation] = "val"
        return parts

    @cached_property
    def validation(self) -> NDArray[np.intp]:
        """The indices of the training images that validate, unless the settings hold out another share."""
        return self.split().validation

    def split(self, *, train_percent: int = 100, validation_percent: int = 10) -> splits.Split:
        """Which training images are learned from and which validate, by `splits.split`."""
        return splits.split(
            self.train_labels,
            train_percent=train_percent,
            validation_percent=validation_percent,
            own=self.own_validation,
        )


def is_prepared(data_dir: Path, name: str) -> bool:
    """Whether `open_resident` would succeed."""
    try:
        open_resident(data_dir, name)
    except ResidentError:
        return False
    return True


def open_resident(data_dir: Path, name: str) -> Resident:
    """Map a dataset into memory, which reads little but the labels. Raises `ResidentError` and nothing else."""
    folder = _folder(data_dir, name)
    try:
        meta = msgspec.json.decode((folder / "meta.json").read_bytes(), type=_Meta)
        if meta.format != _FORMAT:
            raise ValueError(f"it has format {meta.format}, this program reads {_FORMAT}")
        # Not np.load, which takes other kinds of files as well.
        arrays = Arrays(*(np.lib.format.open_memmap(folder / f"{field}.npy", mode="r") for field in Arrays._fields))
        probes = np.lib.format.open_memmap(folder / "probes.npy", mode="r")
        validation = np.lib.format.open_memmap(folder / "validation.npy", mode="r") if meta.validation else None
        _verify(name, meta, arrays, probes, validation)
    except _UNREADABLE as error:
        raise ResidentError(f"{folder} cannot be read: {error}") from error
    return Resident(
        name=name,
        probes=probes,
        class_names=meta.class_names,
        mean=meta.mean,
        std=meta.std,
        hash=meta.hash,
        own_validation=validation,
        **arrays._asdict(),
    )


def _verify(
    name: str, meta: _Meta, arrays: Arrays, probes: NDArray[np.int64], validation: NDArray[np.int64] | None
) -> None:
    """Raise `ValueError` where the arrays cannot be a dataset, or are not those of the official one."""
    for images, labels in (
        (arrays.train_images, arrays.train_labels),
        (arrays.test_images, arrays.test_labels),
    ):
        if (images.dtype.name, images.ndim, labels.dtype.name, labels.ndim) != ("uint8", 4, "int64", 1):
            raise ValueError("an array has another type")
        if not 0 < len(images) == len(labels):
            raise ValueError(f"there are {len(images)} images and {len(labels)} labels")
        if labels.min() < 0 or labels.max() > arrays.train_labels.max():
            raise ValueError("a label is out of range")
    shape = arrays.train_images.shape[1:]
    if not shape == arrays.test_images.shape[1:] or not shape[0] == len(meta.mean) == len(meta.std):
        raise ValueError("its parts do not fit together")
    if probes.dtype.name != "int64" or probes.shape != (min(splits.PROBES, len(arrays.test_labels)),):
        raise ValueError("its probes are of another kind")
    if probes.min() < 0 or probes.max() >= len(arrays.test_labels):
        raise ValueError("its probes are not among its test images")
    if validation is not None:
        if validation.dtype.name != "int64" or validation.shape != (meta.validation,):
            raise ValueError("its validation is of another kind")
        ascending = np.all(np.diff(validation) > 0)
        if not (ascending and validation[0] >= 0 and validation[-1] < len(arrays.train_labels)):
            raise ValueError("its validation is not among its training images")
    if len(meta.class_names) != int(arrays.train_labels.max()) + 1:
        raise ValueError("its classes have other names")
    info = DATASETS.get(name)
    if info is None:
        return
    found = (shape, meta.class_names, len(arrays.train_labels), len(arrays.test_labels))
    if found != (info.shape, info.class_names, info.train_size, info.test_size):
        raise ValueError(f"it is not {name}")


def write_resident(data_dir: Path, name: str, arrays: Arrays, class_names: tuple[str, ...] | None = None) -> Resident:
    """Write the resident form in place of any earlier one, and open it. Classes without names get numbers."""
    shape = arrays.train_images.shape[1:]
    names = class_names or tuple(map(str, range(int(arrays.train_labels.max()) + 1)))
    with Writer(data_dir, name, shape, len(arrays.train_labels), len(arrays.test_labels)) as writer:
        writer.add("train", arrays.train_images, arrays.train_labels)
        writer.add("test", arrays.test_images, arrays.test_labels)
        return writer.finish(names)


class Writer:
    """Writes the resident form a piece at a time, so that a dataset never has to be in memory as a whole.

    What is left unfinished leaves nothing behind. `shape` is of one image, `(C, H, W)`.
    """

    def __init__(self, data_dir: Path, name: str, shape: tuple[int, ...], train_size: int, test_size: int) -> None:
        self._data_dir = data_dir
        self._name = name
        self._shape = shape
        self._sizes = {"train": train_size, "test": test_size}
        self._labels: dict[str, list[NDArray[np.int64]]] = {"train": [], "test": []}
        self._histogram = np.zeros((shape[0], 256), dtype=np.int64)  # of the training pixels, by channel

    def __enter__(self) -> Self:
        parent = _folder(self._data_dir, self._name).parent
        parent.mkdir(parents=True, exist_ok=True)
        self._temporary = Path(tempfile.mkdtemp(prefix=f".{self._name}-", dir=parent))
        self._files: dict[str, BinaryIO] = {}
        for part, size in self._sizes.items():
            file = self._files[part] = (self._temporary / f"{part}_images.npy").open("wb")
            header = {"descr": "|u1", "fortran_order": False, "shape": (size, *self._shape)}
            np.lib.format.write_array_header_1_0(file, header)
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def add(self, part: Literal["train", "test"], images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        """Append images (n, C, H, W) and their labels (n,). Raises `ValueError` where they do not fit."""
        if images.dtype != np.uint8 or images.shape != (len(labels), *self._shape) or labels.ndim != 1:
            raise ValueError(f"{images.shape} images of {images.dtype} and {labels.shape} labels")
        self._labels[part].append(labels.astype(np.int64))
        if sum(map(len, self._labels[part])) > self._sizes[part]:
            raise ValueError(f"there are more than {self._sizes[part]} images")
        for start in range(0, len(images), _PIECE):
            # Not through a mapping: where the disk is full, that ends the process instead of raising an error.
            piece = np.ascontiguousarray(images[start : start + _PIECE])
            self._files[part].write(piece.data)
            if part == "train":
                self._histogram += _histogram_of(piece)

    def finish(self, class_names: tuple[str, ...]) -> Resident:
        """Put the whole in place of any earlier one, and open it. Raises `ValueError` where it is not whole."""
        labels = {part: np.concatenate([np.empty(0, np.int64), *pieces]) for part, pieces in self._labels.items()}
        for part, size in self._sizes.items():
            if len(labels[part]) != size:
                raise ValueError(f"there are {len(labels[part])} images instead of {size}")
            flush(self._files[part])
            _save(self._temporary / f"{part}_labels.npy", labels[part])
        _describe(self._temporary, class_names, self._histogram)
        _replace(self._temporary, _folder(self._data_dir, self._name))
        return open_resident(self._data_dir, self._name)


def sweep(data_dir: Path, name: str) -> None:
    """Remove what killed conversions of the dataset left; only for who alone converts it now."""
    for left in (data_dir / "datasets").glob(f".{name}-*"):
        shutil.rmtree(left, ignore_errors=True)


def remove_resident(data_dir: Path, name: str) -> None:
    """Remove a dataset's resident form, and all that is left beside it of attempts to make it."""
    folder = _folder(data_dir, name)
    shutil.rmtree(folder, ignore_errors=True)
    sweep(data_dir, name)
    for beside in (f".{name}.lock", f"{name}.progress.json", f"{name}.failed.json", f"{name}.stop"):
        (folder.parent / beside).unlink(missing_ok=True)
    for torn in folder.parent.glob(f".{name}.*.json-*"):
        torn.unlink(missing_ok=True)


@contextmanager
def new_resident(folder: Path, class_names: tuple[str, ...]) -> Iterator[Path]:
    """A temporary folder beside `folder`, to write the four arrays to, and what else belongs to them.

    It is for who does not know beforehand how many images there will be; others take `Writer`. It is described
    and takes the place of `folder` when that went well; else it goes, and all is as before.
    """
    with _put_in_place(folder) as temporary:
        yield temporary
        _describe(temporary, class_names, _histogram_of(_written(temporary).train_images))


@contextmanager
def renamed_resident(before: Path, folder: Path, class_names: tuple[str, ...]) -> Iterator[Path]:
    """As `new_resident`, with the arrays of the resident form `before`, whose classes get other names.

    The files are not copied where the disk can give one file two names.
    """
    with _put_in_place(folder) as temporary:
        for path in before.glob("*.npy"):
            try:
                os.link(path, temporary / path.name)
            except OSError:
                shutil.copyfile(path, temporary / path.name)
        meta = msgspec.json.decode((before / "meta.json").read_bytes(), type=_Meta)
        described = msgspec.structs.replace(meta, class_names=class_names)
        (temporary / "meta.json").write_bytes(msgspec.json.encode(described))
        yield temporary


@contextmanager
def _put_in_place(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder` when what is done with it went well, and else goes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield temporary
        flush_files(temporary)
        _replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep other processes from writing the same resident form until this one has."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _written(folder: Path) -> Arrays:
    """The arrays of a folder that is being written."""
    return Arrays(*(np.lib.format.open_memmap(folder / f"{field}.npy", mode="r") for field in Arrays._fields))


def _describe(folder: Path, class_names: tuple[str, ...], histogram: NDArray[np.int64]) -> None:
    """Write the probes and `meta.json` beside the arrays of a folder."""
    arrays, path = _written(folder), folder / "validation.npy"
    validation: NDArray[np.int64] | None = np.load(path) if path.exists() else None
    _save(folder / "probes.npy", splits.probes(arrays.test_labels))
    mean, std = _mean_and_std(histogram)
    count = 0 if validation is None else len(validation)
    with (folder / "meta.json").open("wb") as file:
        file.write(msgspec.json.encode(_Meta(_FORMAT, content_hash(arrays, validation), class_names, mean, std, count)))
        flush(file)


def _save(path: Path, array: NDArray[np.int64]) -> None:
    with path.open("wb") as file:
        np.save(file, array)
        flush(file)


def content_hash(arrays: Arrays, validation: NDArray[np.int64] | None = None) -> str:
    """`sha256:` and the hex digest over the types, the shapes and the bytes of all four arrays.

    And over those of the indices of a dataset's own validation images, where it has some.
    """
    digest = hashlib.sha256()
    hashed = arrays._asdict() | ({} if validation is None else {"validation": validation})
    for field, array in hashed.items():
        digest.update(f"{field} {array.dtype.name} {array.shape}\n".encode())
        for part in in_parts(array):
            digest.update(part.data)
    return f"sha256:{digest.hexdigest()}"


def sample_images(resident: Resident, per_class: int = 1) -> NDArray[np.uint8]:
    """The first training images of each class, class by class: (classes × per_class, C, H, W)."""
    labels = resident.train_labels
    indices = [np.flatnonzero(labels == label)[:per_class] for label in np.unique(labels)]
    return np.asarray(resident.train_images[np.concatenate(indices)])


def samples_of_class(resident: Resident, label: int, count: int) -> NDArray[np.uint8]:
    """The first `count` training images of a class: (count or fewer, C, H, W)."""
    return np.asarray(resident.train_images[np.flatnonzero(resident.train_labels == label)[:count]])


def _folder(data_dir: Path, name: str) -> Path:
    return data_dir / "datasets" / name


def in_parts(array: NDArray[Any], indices: NDArray[np.intp] | None = None) -> Iterator[NDArray[Any]]:
    """The array in order, or what the indices choose, some of it at a time.

    Of one on disk, what was seen leaves the process's memory again.
    """
    base: object = array.base
    rows = max(1, _AT_ONCE // max(1, array[:1].nbytes))
    for start in range(0, len(array) if indices is None else len(indices), rows):
        some = slice(start, start + rows)
        yield np.ascontiguousarray(array[some] if indices is None else array[indices[some]])
        if isinstance(base, mmap):
            base.madvise(MADV_DONTNEED)


def _histogram_of(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How often each of the 256 values is in each channel, (C, 256)."""
    histogram = np.zeros((images.shape[1], 256), dtype=np.int64)
    for part in in_parts(images):
        for channel in range(part.shape[1]):
            histogram[channel] += np.bincount(part[:, channel].ravel(), minlength=256)
    return histogram


def _mean_and_std(histogram: NDArray[np.int64]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Per channel, from exact counts of the 256 values, (C, 256): the same on every machine."""
    values = np.arange(256) / 255
    means, stds = [], []
    for counts in histogram:
        share = counts / counts.sum()  # (256,)
        mean = float(share @ values)
        means.append(mean)
        stds.append(float(np.sqrt(share @ (values - mean) ** 2)))
    return tuple(means), tuple(stds)


def _replace(temporary: Path, folder: Path) -> None:
    """Rename into place; a folder that is there already is first moved out of the way."""
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
        folder.rename(old / folder.name)
        temporary.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        temporary.rename(folder)
    flush_names(folder.parent)
