"""The resident form of a dataset: uint8 arrays on disk that are mapped into memory, never decoded again.

A folder `{data_dir}/datasets/{name}/` holds four `.npy` files and `meta.json` (format, mean, standard
deviation, content hash). It appears by one rename, so that it is there whole or not at all.
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
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from scv.data.catalogue import DATASETS

_FORMAT = 1
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
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Resident:
    """An open dataset. The arrays are read-only views of the files and cost no memory until they are read.

    `mean` and `std` are per channel, over all pixels of all training images, with pixels from 0 to 1.
    `hash` names the content, not the file: `sha256:` and 64 hex digits.
    """

    name: str
    train_images: NDArray[np.uint8]  # (N, C, H, W)
    train_labels: NDArray[np.int64]  # (N,)
    test_images: NDArray[np.uint8]  # (M, C, H, W)
    test_labels: NDArray[np.int64]  # (M,)
    mean: tuple[float, ...]
    std: tuple[float, ...]
    hash: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image, `(C, H, W)`."""
        _, channels, height, width = self.train_images.shape
        return channels, height, width

    @cached_property
    def classes(self) -> int:
        """How many classes the labels tell apart."""
        return int(self.train_labels.max()) + 1


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
        # Not np.load, which takes other kinds of files as well.
        arrays = Arrays(*(np.lib.format.open_memmap(folder / f"{field}.npy", mode="r") for field in Arrays._fields))
        if meta.format != _FORMAT:
            raise ValueError(f"it has format {meta.format}, this program reads {_FORMAT}")
        _verify(name, meta, arrays)
    except _UNREADABLE as error:
        raise ResidentError(f"{folder} cannot be read: {error}") from error
    return Resident(name=name, mean=meta.mean, std=meta.std, hash=meta.hash, **arrays._asdict())


def _verify(name: str, meta: _Meta, arrays: Arrays) -> None:
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
    info = DATASETS.get(name)
    if info is None:
        return
    found = (shape, int(arrays.train_labels.max()) + 1, len(arrays.train_labels), len(arrays.test_labels))
    if found != (info.shape, info.classes, info.train_size, info.test_size):
        raise ValueError(f"it is not {name}")


def write_resident(data_dir: Path, name: str, arrays: Arrays) -> Resident:
    """Write the resident form in place of any earlier one, and open it."""
    with new_resident(_folder(data_dir, name)) as temporary:
        for field, array in arrays._asdict().items():
            np.save(temporary / f"{field}.npy", np.ascontiguousarray(array))
    return open_resident(data_dir, name)


@contextmanager
def new_resident(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder`, to write the four arrays to, and what else belongs to them.

    It is described and takes the place of `folder` when that went well; else it goes, and all is as before.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield temporary
        arrays = Arrays(*(np.load(temporary / f"{field}.npy", mmap_mode="r") for field in Arrays._fields))
        mean, std = _mean_and_std(arrays.train_images)
        (temporary / "meta.json").write_bytes(msgspec.json.encode(_Meta(_FORMAT, content_hash(arrays), mean, std)))
        for path in temporary.iterdir():
            with path.open("rb") as file:
                _to_disk(file.fileno())
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


def content_hash(arrays: Arrays) -> str:
    """`sha256:` and the hex digest over the types, the shapes and the bytes of all four arrays."""
    digest = hashlib.sha256()
    for field, array in arrays._asdict().items():
        digest.update(f"{field} {array.dtype.name} {array.shape}\n".encode())
        for part in _in_parts(array):
            digest.update(part.data)
    return f"sha256:{digest.hexdigest()}"


def sample_images(resident: Resident, per_class: int = 1) -> NDArray[np.uint8]:
    """The first training images of each class, class by class: (classes × per_class, C, H, W)."""
    labels = resident.train_labels
    indices = [np.flatnonzero(labels == label)[:per_class] for label in np.unique(labels)]
    return np.asarray(resident.train_images[np.concatenate(indices)])


def _folder(data_dir: Path, name: str) -> Path:
    return data_dir / "datasets" / name


def _in_parts(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The array in order, some of it at a time: of one on disk, what was seen leaves the process's memory again."""
    base: object = array.base
    rows = max(1, _AT_ONCE // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        yield np.ascontiguousarray(array[start : start + rows])
        if isinstance(base, mmap):
            base.madvise(MADV_DONTNEED)


def _mean_and_std(images: NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Per channel, from exact counts of the 256 values: the same on every machine, without a float copy."""
    values = np.arange(256) / 255
    means, stds = [], []
    for channel in range(images.shape[1]):
        counts = np.zeros(256, dtype=np.int64)
        for part in _in_parts(images):
            counts += np.bincount(part[:, channel].ravel(), minlength=256)
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
    descriptor = os.open(folder.parent, os.O_RDONLY)
    try:
        _to_disk(descriptor)
    finally:
        os.close(descriptor)


def _to_disk(descriptor: int) -> None:
    os.fsync(descriptor)
