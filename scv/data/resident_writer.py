"""Writing the resident form of a dataset: as a whole, a piece at a time, or from a version before it.

It is made in a temporary folder and appears by one rename; a killed process leaves that folder, which `sweep` removes.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from scv.data import splits
from scv.data.atomic import flush, flush_files, flush_names
from scv.data.resident import FORMAT, Arrays, Meta, Resident, folder_of, in_parts, mapped, open_resident

_PIECE = 1024
"""So many images are converted at a time: their pixels are counted, eight bytes each, in 8 MB for CIFAR-10."""


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
        parent = folder_of(self._data_dir, self._name).parent
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
        _replace(self._temporary, folder_of(self._data_dir, self._name))
        return open_resident(self._data_dir, self._name)


def sweep(data_dir: Path, name: str) -> None:
    """Remove what killed conversions of the dataset left; only for who alone converts it now."""
    for left in (data_dir / "datasets").glob(f".{name}-*"):
        shutil.rmtree(left, ignore_errors=True)


def remove_resident(data_dir: Path, name: str) -> None:
    """Remove a dataset's resident form, and all that is left beside it of attempts to make it."""
    folder = folder_of(data_dir, name)
    shutil.rmtree(folder, ignore_errors=True)
    sweep(data_dir, name)
    (folder.parent / f".{name}.lock").unlink(missing_ok=True)


@contextmanager
def new_resident(folder: Path, class_names: tuple[str, ...]) -> Iterator[Path]:
    """A temporary folder beside `folder`, to write the four arrays to, and what else belongs to them.

    It is for who does not know beforehand how many images there will be; others take `Writer`. It is described
    and takes the place of `folder` when that went well; else it goes, and all is as before.
    """
    with _put_in_place(folder) as temporary:
        yield temporary
        _describe(temporary, class_names, _histogram_of(mapped(temporary).train_images))


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
        meta = msgspec.json.decode((before / "meta.json").read_bytes(), type=Meta)
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


def _describe(folder: Path, class_names: tuple[str, ...], histogram: NDArray[np.int64]) -> None:
    """Write the probes and `meta.json` beside the arrays of a folder."""
    arrays, path = mapped(folder), folder / "validation.npy"
    validation: NDArray[np.int64] | None = np.load(path) if path.exists() else None
    _save(folder / "probes.npy", splits.probes(arrays.test_labels))
    mean, std = _mean_and_std(histogram)
    count = 0 if validation is None else len(validation)
    with (folder / "meta.json").open("wb") as file:
        file.write(msgspec.json.encode(Meta(FORMAT, content_hash(arrays, validation), class_names, mean, std, count)))
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
