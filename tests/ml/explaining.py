"""Networks to explain: some that really learned, and any document with the weights that it begins with."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scv.blocks.document import Block, Document
from scv.blocks.shapes import Shape
from scv.data.resident import Arrays, Resident
from scv.data.resident_writer import write_resident
from scv.ml.build import build
from scv.ml.device import Normalize
from scv.ml.predictions import Outcomes, answers_to
from scv.ml.train.train import WEIGHTS, train
from scv.ml.trained import Trained, WeightsInfo, load_trained
from scv.training.settings import TrainingSettings
from tests.ml.conftest import Listener, document, lenet, never
from tests.shared import shared

_learned: dict[tuple[str, str], Trained] = {}

RESIDUAL = Document(
    blocks=(
        Block("c1", "Conv2d", {"out_channels": 8, "kernel_size": 3, "stride": 2, "padding": 1}),
        Block("n1", "BatchNorm2d"),
        Block("a1", "ReLU"),
        Block(
            "r1",
            "Residual",
            branches=(
                (
                    Block("c2", "Conv2d", {"out_channels": 8, "kernel_size": 3, "padding": 1}),
                    Block("n2", "BatchNorm2d"),
                    Block("a2", "ReLU"),
                    Block("s1", "SqueezeExcite"),
                ),
                (),
            ),
        ),
        Block("a3", "ReLU"),
        Block("p1", "MaxPool2d", {"kernel_size": 2}),
        Block("f1", "Flatten"),
        Block("l1", "Linear", {"out_features": 10}),
    )
)
PERCEPTRON = document("Flatten", ("Linear", {"out_features": 32}), "ReLU", ("Linear", {"out_features": 10}))
POOLED = document(
    ("Conv2d", {"out_channels": 16, "kernel_size": 5, "stride": 2, "padding": 2}),
    "BatchNorm2d",
    "ReLU",
    ("Conv2d", {"out_channels": 32, "kernel_size": 5, "padding": 2}),
    "BatchNorm2d",
    "ReLU",
    ("MaxPool2d", {"kernel_size": 2}),
    ("Conv2d", {"out_channels": 32, "kernel_size": 3, "padding": 1}),
    "ReLU",
    "AdaptiveAvgPool2d",
    "Flatten",
    ("Linear", {"out_features": 10}),
)
"""A network of the kind that Grad-CAM was made for: the maps' means are all that its last layer sees."""

NETWORKS = {"pooled": POOLED, "lenet": lenet(), "residual": RESIDUAL, "perceptron": PERCEPTRON}


def learned(name: str, resident: Resident, **settings: Any) -> Trained:
    """One of `NETWORKS`, trained on some of the images; each is trained once in a test run."""
    key = (name, resident.hash)
    if key not in _learned:
        few = TrainingSettings(
            **{"epochs": 1, "batch_size": 32, "learning_rate": 0.003, "train_percent": 20, **settings}
        )

        def make(folder: Path) -> None:
            train(NETWORKS[name], few, resident, folder=folder, emit=Listener(), should_stop=never)

        made = shared(f"{name}-{resident.hash.rpartition(':')[2][:16]}", make)
        _learned[key] = load_trained(made / WEIGHTS)
    return _learned[key]


def unlearned(network: Document, shape: Shape, classes: int, mean: float = 0.3) -> Trained:
    """The document with the weights that it begins with, in evaluation mode."""
    channels, height, width = shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        built = build(network, shape, classes).eval()
    means, stds = (mean,) * channels, (0.25,) * channels
    info = WeightsInfo(
        document=network,
        dataset="generated",
        dataset_hash="",
        input_shape=(channels, height, width),
        classes=classes,
        mean=means,
        std=stds,
        settings=TrainingSettings(),
        epoch=1,
    )
    return Trained(info, built, Normalize(means, stds, torch.device("cpu")))


@cache
def images(folder: Path, shape: Shape, classes: int, count: int) -> Resident:
    """So many training and test images of chance, every class among them."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, *shape), dtype=np.uint8)
    labels = np.arange(count, dtype=np.int64) % classes
    return write_resident(folder, "generated", Arrays(images, labels, images, labels))


def sample(resident: Resident, count: int) -> torch.Tensor:
    """The first test images, uint8 (count, C, H, W)."""
    return torch.from_numpy(np.array(resident.test_images[:count]))


class Told:
    """Keeps the shares that a section tells."""

    def __init__(self) -> None:
        self.shares: list[float] = []

    def __call__(self, share: float) -> None:
        self.shares.append(share)

    @property
    def sound(self) -> bool:
        """They rise from 0 to 1, and end there."""
        return self.shares == sorted(self.shares) and self.shares[0] >= 0 and abs(self.shares[-1] - 1) < 1e-9


def answers(trained: Trained, resident: Resident) -> Outcomes:
    """To all test images."""
    return answers_to(trained, resident.test_images, resident.test_labels, Told())
