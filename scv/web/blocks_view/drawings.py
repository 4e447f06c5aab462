"""Small drawings: a tensor as a box, learning curves, a network as a silhouette."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log2, log10

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.document import Block
from scv.blocks.shapes import Shape
from scv.training.progress import EpochMetrics


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
class Tick:
    value: float
    y: float
    """Percent of the height, from the top."""


@dataclass(frozen=True)
class Chart:
    """SVG paths in a box of 100 by 100, and the marks of the vertical axis from bottom to top."""

    ticks: tuple[Tick, ...]
    digits: int
    """The number of decimal places that the ticks need."""
    train: str
    validation: str


@dataclass(frozen=True)
class LearningCurve:
    """The curves of accuracy, in percent, and of loss."""

    accuracy: Chart
    loss: Chart


def learning_curve(metrics: Sequence[EpochMetrics], epochs: int) -> LearningCurve:
    """The curves with one point for each epoch; the axis is as long as the whole run."""
    return LearningCurve(
        accuracy=_chart(
            [100 * one.train_accuracy for one in metrics], [100 * one.validation_accuracy for one in metrics], epochs
        ),
        loss=_chart([one.train_loss for one in metrics], [one.validation_loss for one in metrics], epochs),
    )


def _chart(train: Sequence[float], validation: Sequence[float], epochs: int) -> Chart:
    """The axis goes from the last round number below all values to the first one above them."""
    low, high = min(*train, *validation), max(*train, *validation)
    step = _round_step(max((high - low) / 3, high / 100, 1e-4))
    last = ceil(round(high / step, 6))
    first = min(floor(round(low / step, 6)), last - 1)
    count = last - first

    def path(values: Sequence[float]) -> str:
        points = (
            f"{round(index / max(epochs - 1, 1) * 100, 2)} {round((1 - (value / step - first) / count) * 100, 2)}"
            for index, value in enumerate(values)
        )
        return "M" + "L".join(points)

    return Chart(
        ticks=tuple(Tick((first + n) * step, round((1 - n / count) * 100, 2)) for n in range(count + 1)),
        digits=max(0, -floor(log10(step))),
        train=path(train),
        validation=path(validation),
    )


def _round_step(least: float) -> float:
    """The smallest number that is not below this one and is 1, 2 or 5 times a power of ten."""
    power = 10.0 ** floor(log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)


SILHOUETTE = 14
"""The most bands of a silhouette. A longer network is shown by evenly spaced blocks."""


def silhouette(blocks: Iterable[Block]) -> tuple[str, ...]:
    """The categories of the blocks from top to bottom, at most as many as a card can show."""
    categories = [CATALOGUE[block.type].category for block in blocks if block.type in CATALOGUE]
    if len(categories) <= SILHOUETTE:
        return tuple(categories)
    return tuple(categories[i * len(categories) // SILHOUETTE] for i in range(SILHOUETTE))
