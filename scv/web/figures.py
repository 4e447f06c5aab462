"""Geometry of the small drawings: a tensor as a box, a network as a silhouette."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log2

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.document import Block
from scv.blocks.progress import EpochMetrics
from scv.blocks.shapes import Shape


@dataclass(frozen=True)
class Cuboid:
    """An SVG of a `(C, H, W)` tensor: the front is the image, the depth the channels, on logarithmic scales."""

    width: float
    height: float
    front: str
    edges: str


def cuboid(shape: Shape) -> Cuboid:
    channels, height, width = shape
    w, h = _side(width), _side(height)
    depth = 2 + 1.5 * log2(channels + 1)
    dx, dy = round(depth * 0.8, 1), round(depth * 0.6, 1)
    y = 1 + dy
    return Cuboid(
        width=round(w + dx + 2, 1),
        height=round(h + dy + 2, 1),
        front=f"M1 {y}h{w}v{h}h-{w}z",
        edges=f"M1 {y}l{dx} -{dy}h{w}l-{dx} {dy}M{w + 1} {y}l{dx} -{dy}v{h}l-{dx} {dy}",
    )


def _side(pixels: int) -> float:
    return round(5 + 2.3 * log2(pixels + 1), 1)


@dataclass(frozen=True)
class Curve:
    """SVG paths of accuracies over epochs; the height is 100 %."""

    width: int
    height: int
    grid: tuple[int, ...]
    train: str
    validation: str


def learning_curve(metrics: Sequence[EpochMetrics], epochs: int) -> Curve:
    """One point an epoch, on an axis as long as the whole run."""
    width, height = 600, 140

    def path(accuracies: Iterable[float]) -> str:
        points = [
            f"{round(index / max(epochs - 1, 1) * width, 1)} {round((1 - share) * height, 1)}"
            for index, share in enumerate(accuracies)
        ]
        return "M" + "L".join(points)

    return Curve(
        width,
        height,
        (0, height // 2, height),
        path(metric.train_accuracy for metric in metrics),
        path(metric.validation_accuracy for metric in metrics),
    )


SILHOUETTE = 14
"""Most bands of a silhouette; a longer network is shown by evenly chosen blocks."""


def silhouette(blocks: Iterable[Block]) -> tuple[str, ...]:
    """The categories of a network's blocks from top to bottom, thinned to what a card can show."""
    categories = [CATALOGUE[block.type].category for block in blocks if block.type in CATALOGUE]
    if len(categories) <= SILHOUETTE:
        return tuple(categories)
    return tuple(categories[i * len(categories) // SILHOUETTE] for i in range(SILHOUETTE))
