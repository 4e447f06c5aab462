"""Networks and small datasets to report on."""

from pathlib import Path

import numpy as np
import torch

from scv.blocks.document import Document
from scv.data.resident import Arrays, Resident
from scv.data.resident_writer import write_resident
from scv.ml.build import build
from scv.ml.device import Normalize
from scv.ml.train.train import WEIGHTS, train
from scv.ml.trained import Trained, WeightsInfo, load_trained
from scv.ml.weights import read_tensors, write_tensors
from scv.training.settings import TrainingSettings
from tests.ml.conftest import Listener, never


def silence(done: float) -> None:
    """Nobody wants to hear how far it is."""


def learned(document: Document, resident: Resident, folder: Path, epochs: int = 3) -> Trained:
    """A network that was really trained."""
    settings = TrainingSettings(epochs=epochs, batch_size=100, learning_rate=0.003, seed=5)
    train(document, settings, resident, folder=folder, device="cpu", emit=Listener(), should_stop=never)
    return load_trained(folder / WEIGHTS)


def unlearned(document: Document, resident: Resident, seed: int = 0) -> Trained:
    """A network as it is before its first step."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(document, resident.shape, resident.classes).eval()
    info = WeightsInfo(
        document=document,
        dataset=resident.name,
        dataset_hash=resident.hash,
        input_shape=resident.shape,
        classes=resident.classes,
        class_names=resident.class_names,
        mean=resident.mean,
        std=resident.std,
        settings=TrainingSettings(seed=seed),
        epoch=1,
    )
    return Trained(info, network, Normalize(info.mean, info.std, torch.device("cpu")))


def ruin(weights: Path) -> Trained:
    """Make every number of a file of weights NaN, as a training that diverged may leave them."""
    tensors, metadata = read_tensors(weights)
    for tensor in tensors.values():
        if tensor.is_floating_point():
            tensor.fill_(torch.nan)
    write_tensors(weights, tensors, metadata)
    return load_trained(weights)


def ruin_in_part(trained: Trained) -> None:
    """Give a network of one Linear a weight by which bright images get infinity, and dark ones numbers."""
    (weight, _) = trained.network[-1].parameters()
    with torch.no_grad():
        weight[0, weight.shape[1] // 2 + 3] = 3e38


def images(
    folder: Path, shape: tuple[int, int, int], classes: int, train_size: int = 0, test_size: int = 0
) -> Resident:
    """A dataset of noise in which every class has its training images."""
    random = np.random.default_rng(1)
    sizes = (max(train_size, classes), max(test_size, 1))
    images = [random.integers(0, 256, (size, *shape), dtype=np.uint8) for size in sizes]
    labels = [np.arange(size, dtype=np.int64) % classes for size in sizes]
    return write_resident(folder, "noise", Arrays(images[0], labels[0], images[1], labels[1]))
