"""What an export costs and how exact it is: every starter as ONNX and as a script, compared on 256 test images.

    python bench/export.py [--dataset digits] [--epochs 3] [--train-percent 100] [--data-dir DIR]

Each starter is trained as `scv train` does, then exported and certified. Prints `name value unit` lines: the largest
difference between two logits of each two forms, the share of images with the same label, the seconds of processor
time, the size.
"""

import argparse
import tempfile
import time
from pathlib import Path

import msgspec

from scv.blocks.starters import STARTERS
from scv.data.official.catalogue import find
from scv.ml.export.onnx_export import onnx_bytes
from scv.ml.export.parity import ONNX, make_parity
from scv.ml.prepare_official import prepare
from scv.ml.train.train import WEIGHTS, train
from scv.ml.trained import load_trained
from scv.settings import Settings
from scv.training.settings import defaults


def main() -> None:
    """Measure, starter by starter."""
    parser = argparse.ArgumentParser(description="Measures the export of every starter.")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--train-percent", type=int, default=100, help="so much of the training set is trained on")
    parser.add_argument("--data-dir", type=Path, default=Settings.from_environment().data_dir)
    options = parser.parse_args()
    info = find(options.dataset)
    resident = prepare(options.data_dir, info.name)
    settings = msgspec.structs.replace(defaults(info), epochs=options.epochs, train_percent=options.train_percent)
    for starter in STARTERS.values():
        if starter.exercise:
            continue
        with tempfile.TemporaryDirectory() as name:
            folder, document = Path(name), starter.build(info.shape, info.classes)
            train(document, settings, resident, folder=folder, device="cpu", emit=_ignore, should_stop=lambda: False)
            trained = load_trained(folder / WEIGHTS)
            began = time.process_time()
            onnx_bytes(trained)
            exported = time.process_time() - began
            made = make_parity(trained, resident, folder, _ignore)
            certified = time.process_time() - began - exported
            assert made.problem is None, made.problem
            for pair in made.pairs:
                assert pair.difference is not None
                print(f"{starter.name}_{pair.first}_{pair.second}_difference {pair.difference:.2g} logits")
            print(f"{starter.name}_agreement {min(pair.agreement for pair in made.pairs):.2%} images")
            print(f"{starter.name}_largest_logit {made.largest:.1f} logits")
            print(f"{starter.name}_export {exported:.2f} s")
            print(f"{starter.name}_certificate {certified:.2f} s")
            print(f"{starter.name}_file {(folder / ONNX).stat().st_size} bytes", flush=True)


def _ignore(_: object) -> None:
    """Nobody listens."""


if __name__ == "__main__":
    main()
