"""The resident form of a dataset: uint8 arrays on disk that are mapped into memory, never decoded again.

A folder `{data_dir}/datasets/{name}/` holds four `.npy` files of images and labels, `probes.npy`, and `meta.json`
(format, class names, mean, standard deviation, content hash). It appears by one rename, so that it is there whole
or not at all. Which images validate is not stored, since `splits.split` says it of any labels; but where a dataset has
images of its own for that, they are among the training images, and `validation.npy` holds their indices.
"""

import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from mmap import MADV_DONTNEED, mmap
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from scv.data import splits
from scv.data.official.catalogue import DATASETS

FORMAT = 2

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


class Meta(msgspec.Struct, frozen=True):
    """`meta.json`."""

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
        """The images by which networks are compared, (100, C, H, W)."""
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


def folder_of(data_dir: Path, name: str) -> Path:
    """Where a dataset's resident form lies, whether it is there or not."""
    return data_dir / "datasets" / name


def is_prepared(data_dir: Path, name: str) -> bool:
    """Whether `open_resident` would succeed."""
    try:
        open_resident(data_dir, name)
    except ResidentError:
        return False
    return True


def open_resident(data_dir: Path, name: str) -> Resident:
    """Map a dataset into memory, which reads little but the labels. Raises `ResidentError` and nothing else."""
    folder = folder_of(data_dir, name)
    try:
        meta = msgspec.json.decode((folder / "meta.json").read_bytes(), type=Meta)
        if meta.format != FORMAT:
            raise ValueError(f"it has format {meta.format}, this program reads {FORMAT}")
        arrays = mapped(folder)
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


def mapped(folder: Path) -> Arrays:
    """The four arrays of a folder. Of spoilt files it raises one of `_UNREADABLE`."""
    # Not np.load, which takes other kinds of files as well.
    return Arrays(*(np.lib.format.open_memmap(folder / f"{field}.npy", mode="r") for field in Arrays._fields))


def _verify(
    name: str, meta: Meta, arrays: Arrays, probes: NDArray[np.int64], validation: NDArray[np.int64] | None
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


def sample_images(resident: Resident, per_class: int = 1) -> NDArray[np.uint8]:
    """The first training images of each class, class by class: (classes × per_class, C, H, W)."""
    labels = resident.train_labels
    indices = [np.flatnonzero(labels == label)[:per_class] for label in np.unique(labels)]
    return np.asarray(resident.train_images[np.concatenate(indices)])


def samples_of_class(resident: Resident, label: int, count: int) -> NDArray[np.uint8]:
    """The first `count` training images of a class: (count or fewer, C, H, W)."""
    return np.asarray(resident.train_images[np.flatnonzero(resident.train_labels == label)[:count]])


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
