"""The official datasets: from their original files, downloaded where they are missing, to the resident form."""

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scv.data.errors import DatasetMissingError
from scv.data.official import digits
from scv.data.official.catalogue import DatasetInfo, find
from scv.data.official.download import fetch
from scv.data.official.originals import check_in_place, take_in
from scv.data.resident import Resident, ResidentError, open_resident
from scv.data.resident_writer import Writer, one_at_a_time, sweep, write_resident
from scv.message import say
from scv.stage import Stage

_SPOILT = (RuntimeError, ValueError, LookupError, EOFError, AssertionError, TypeError, pickle.UnpicklingError)
"""What torchvision raises for files that are not what their names say."""

OnStage = Callable[[Stage], None]


Part = Literal["train", "test"]
_PARTS: tuple[Part, Part] = ("train", "test")


class DatasetPart(NamedTuple):
    """A part of a dataset as torchvision read it: images (n, C, H, W) and labels (n,) from 0."""

    part: Part
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


def prepare(data_dir: Path, name: str, progress: OnStage | None = None) -> Resident:
    """Open a dataset, converting and if need be downloading it first.

    `progress` hears each stage that takes a while, and how far a download has come. Two processes may prepare the
    same dataset at once: one works, the other waits for it. Raises `DatasetMissingError`, `UnknownDatasetError`
    for the name, and `OSError` where nothing can be written.
    """
    return prepare_official(data_dir, find(name), progress)


def prepare_official(
    data_dir: Path,
    info: DatasetInfo,
    progress: OnStage | None = None,
    *,
    mirror: str | None = None,
    source: Path | None = None,
) -> Resident:
    """The same for a dataset of these facts.

    With a `source`, a file, a folder or an archive, the original files come from there and nothing is downloaded;
    with a `mirror` they come from that address (`scv.data.official.download`).
    """
    on_stage = progress or _nobody
    try:
        return open_resident(data_dir, info.name)
    except ResidentError:
        pass
    with one_at_a_time(data_dir / "datasets" / info.name):
        try:
            return open_resident(data_dir, info.name)  # another process wrote it meanwhile
        except ResidentError:
            sweep(data_dir, info.name)
        if not info.originals:
            return write_resident(data_dir, info.name, digits.read(), info.class_names)
        placed = _put_into_place(data_dir, info, on_stage, mirror, source)
        try:
            on_stage(Stage(say("Converting {dataset}", dataset=info.title)))
            check_in_place(data_dir, info)
            return _convert(data_dir, info)
        except DatasetMissingError:
            for path in placed:  # what was there before is its owner's
                path.unlink(missing_ok=True)
            raise


def _put_into_place(
    data_dir: Path, info: DatasetInfo, on_stage: OnStage, mirror: str | None, source: Path | None
) -> list[Path]:
    """Take the original files from where they are to be had; returns those that are new."""
    placed: list[Path] = []
    folder = data_dir / info.folder
    if source is not None:
        on_stage(Stage(say("Unpacking {dataset}", dataset=info.title)))
        placed += take_in(data_dir, info, source)
    elif info.missing(data_dir) and folder.is_dir():
        placed += take_in(data_dir, info, folder)  # put there by hand, as they are published
    if missing := info.missing(data_dir):
        if source is not None:
            raise DatasetMissingError(
                say(
                    "Of {dataset} these files are still missing: {files}. What was there has been taken.",
                    dataset=info.title,
                    files=", ".join(missing),
                )
            )
        placed += fetch(data_dir, info, on_stage, mirror)
    return placed


def _convert(data_dir: Path, info: DatasetInfo) -> Resident:
    """Read the original files by torchvision, a piece at a time, and write the resident form."""
    try:
        with Writer(data_dir, info.name, info.shape, info.train_size, info.test_size) as writer:
            for piece in _read(data_dir, info):
                writer.add(*piece)
                del piece  # before the next one is read
            return writer.finish(info.class_names)
    except _SPOILT as error:
        raise DatasetMissingError(
            say(
                "The files of {dataset} in {folder} are damaged. Replace them, or delete them to download them again.",
                dataset=info.title,
                folder=str(data_dir / info.folder),
            )
        ) from error


def _read(data_dir: Path, info: DatasetInfo) -> Iterator[DatasetPart]:
    seen: set[tuple[Part, int]] = set()
    for piece in _READERS[info.loader](data_dir, info):
        seen |= {(piece.part, int(label)) for label in np.unique(piece.labels)}
        yield piece
        del piece
    if seen != {(part, label) for part in _PARTS for label in range(info.classes)}:
        raise ValueError("the labels are not those of the classes")


def _mnist(data_dir: Path, info: DatasetInfo) -> Iterator[DatasetPart]:
    from scv.ml import vision  # half a second of import, and only where there is something to convert

    loader = getattr(vision.datasets, info.loader)
    for part in _PARTS:
        read = loader(data_dir, train=part == "train")
        yield DatasetPart(part, read.data.numpy()[:, np.newaxis], read.targets.numpy())  # (N, 1, 28, 28), (N,)


def _emnist(data_dir: Path, info: DatasetInfo) -> Iterator[DatasetPart]:
    """The images are stored with rows and columns exchanged, and the labels count from 1."""
    from scv.ml import vision

    for part in _PARTS:
        read = vision.datasets.EMNIST(data_dir, split="letters", train=part == "train")
        yield DatasetPart(part, read.data.numpy().transpose(0, 2, 1)[:, np.newaxis], read.targets.numpy() - 1)


def _cifar10(data_dir: Path, info: DatasetInfo) -> Iterator[DatasetPart]:
    """One batch at a time: torchvision would have all of them in memory, twice."""
    from scv.ml import vision

    *batches, meta = ([original.name, original.md5] for original in info.originals)
    for batch in batches:
        one: dict[str, Any] = {
            "train_list": [batch],
            "test_list": [],
            "meta": {"filename": meta[0], "key": "label_names", "md5": meta[1]},
        }
        read = type("CIFAR10", (vision.datasets.CIFAR10,), one)(data_dir)
        if tuple(read.classes) != info.class_names:
            raise ValueError("the classes have other names")
        part: Part = "test" if batch[0].startswith("test") else "train"
        yield DatasetPart(part, read.data.transpose(0, 3, 1, 2), np.asarray(read.targets, dtype=np.int64))
        del read


def _svhn(data_dir: Path, info: DatasetInfo) -> Iterator[DatasetPart]:
    from scv.ml import vision

    for part, original in zip(_PARTS, info.originals, strict=True):
        files = {"split_list": {part: ["", original.name, original.md5]}}
        read = type("SVHN", (vision.datasets.SVHN,), files)(data_dir / info.folder, split=part)
        yield DatasetPart(part, read.data, read.labels)  # (N, 3, 32, 32), (N,)


_READERS: dict[str, Callable[[Path, DatasetInfo], Iterator[DatasetPart]]] = {
    "MNIST": _mnist,
    "FashionMNIST": _mnist,
    "EMNIST": _emnist,
    "CIFAR10": _cifar10,
    "SVHN": _svhn,
}


def _nobody(stage: Stage) -> None:
    """Hear a stage and do nothing with it."""
