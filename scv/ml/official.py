"""The official datasets: from their original files, downloaded where they are missing, to the resident form."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

import numpy as np

from scv.blocks.message import Message, say
from scv.data import digits
from scv.data.catalogue import DatasetInfo, find
from scv.data.resident import Arrays, Resident, ResidentError, one_at_a_time, open_resident, write_resident
from scv.ml.errors import DatasetMissingError

_MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_NETWORK_TIMEOUT = 15.0  # seconds without a byte; torchvision itself would wait for ever


def prepare(data_dir: Path, name: str, progress: Callable[[Message], None] | None = None) -> Resident:
    """Open a dataset, converting and if need be downloading it first.

    `progress` hears each stage that takes a while. Two processes may prepare the same dataset at once: one
    works, the other waits for it. Raises `DatasetMissingError`, and `UnknownDatasetError` for the name.
    """
    info = find(name)
    try:
        return open_resident(data_dir, name)
    except ResidentError:
        pass
    with one_at_a_time(data_dir / "datasets" / name):
        try:
            return open_resident(data_dir, name)  # another process wrote it meanwhile
        except ResidentError:
            arrays = _READERS[name](data_dir, info, progress or _nobody)
            return write_resident(data_dir, name, arrays)


def _digits(data_dir: Path, info: DatasetInfo, progress: Callable[[Message], None]) -> Arrays:
    return digits.read()


def _mnist(data_dir: Path, info: DatasetInfo, progress: Callable[[Message], None]) -> Arrays:
    """Read the four idx files under `{data_dir}/MNIST/raw/`; as torchvision does, also from their .gz."""
    from scv.ml import vision  # half a second of import, and only where there is something to convert

    folder = data_dir / "MNIST" / "raw"
    if not all((folder / file).is_file() for file in _MNIST_FILES):
        progress(say("Downloading {dataset}", dataset=info.title))
        try:
            with _network_timeout(_NETWORK_TIMEOUT):
                vision.datasets.MNIST(data_dir, download=True)
        except (RuntimeError, OSError, HTTPException) as error:
            raise DatasetMissingError(
                say(
                    "{dataset} is not here and could not be downloaded. "
                    "Put the files {files} into {folder} and try again.",
                    dataset=info.title,
                    files=", ".join(_MNIST_FILES),
                    folder=str(folder),
                )
            ) from error
    progress(say("Converting {dataset}", dataset=info.title))
    try:
        train = vision.datasets.MNIST(data_dir, train=True)
        test = vision.datasets.MNIST(data_dir, train=False)
        arrays = Arrays(
            train.data.numpy()[:, np.newaxis],  # (60000, 1, 28, 28)
            train.targets.numpy(),  # (60000,)
            test.data.numpy()[:, np.newaxis],  # (10000, 1, 28, 28)
            test.targets.numpy(),  # (10000,)
        )
        _verify(info, arrays)
    except (RuntimeError, ValueError, OSError, IndexError, AssertionError) as error:
        raise DatasetMissingError(
            say(
                "The files of {dataset} in {folder} are damaged. Replace them, or delete them to download them again.",
                dataset=info.title,
                folder=str(folder),
            )
        ) from error
    return arrays


_READERS: dict[str, Callable[[Path, DatasetInfo, Callable[[Message], None]], Arrays]] = {
    "digits": _digits,
    "mnist": _mnist,
}


def _verify(info: DatasetInfo, arrays: Arrays) -> None:
    """Raise ValueError unless the arrays are what the catalogue promises."""
    for images, labels, size in (
        (arrays.train_images, arrays.train_labels, info.train_size),
        (arrays.test_images, arrays.test_labels, info.test_size),
    ):
        if images.shape != (size, *info.shape) or labels.shape != (size,):
            raise ValueError(f"{images.shape} images and {labels.shape} labels instead of {size}")
        if not np.array_equal(np.unique(labels), np.arange(info.classes)):
            raise ValueError("the labels are not those of the classes")


def _nobody(stage: Message) -> None:
    """Hear a stage and do nothing with it."""


@contextmanager
def _network_timeout(seconds: float) -> Iterator[None]:
    """torchvision passes no timeout on, so the process's default is set for as long as it downloads."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
