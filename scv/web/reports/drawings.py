"""Geometry and readings of a report's drawings: curves in a box of 100 by 100, and the map of how alike layers are."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from scv.report.layer_similarity import Similarity
from scv.report.robustness import Corruption, Level
from scv.report.validity import Step

STEPS = 10
"""Colours of the map of likeness run from 0 to this."""


def line(values: Sequence[float], low: float = 0.0) -> str:
    """An SVG path through values from `low` at the foot to 1 at the top, at equal distances from left to right."""
    last = max(len(values) - 1, 1)
    return "M" + "L".join(f"{100 * n / last:.4g} {_y(value, low):.4g}" for n, value in enumerate(values))


def robustness_line(clean: Level, corruption: Corruption) -> str:
    """Accuracy as the pictures are, then at each level."""
    return line([clean.accuracy, *(level.accuracy for level in corruption.levels)])


def robustness_band(clean: Level, corruption: Corruption) -> str:
    """Two standard errors to each side, as a closed path."""
    levels = (clean, *corruption.levels)
    last = len(levels) - 1
    upper = [(n, min(1.0, one.accuracy + 2 * one.error)) for n, one in enumerate(levels)]
    lower = [(n, max(0.0, one.accuracy - 2 * one.error)) for n, one in enumerate(levels)]
    points = (f"{100 * n / last:.4g} {_y(value, 0):.4g}" for n, value in (*upper, *reversed(lower)))
    return "M" + "L".join(points) + "z"


def randomization_line(steps: Sequence[Step], low: float) -> str:
    """Similarity to the map of the trained network, 1 before the first step."""
    return line([1.0, *(step.similarity for step in steps)], low)


def randomization_floor(steps: Sequence[Step]) -> float:
    """Where the axis of similarities begins: 0, or below the least of them."""
    least = min(step.similarity for step in steps)
    return 0.0 if least >= 0 else -0.5 if least >= -0.5 else -1.0


def _y(value: float, low: float) -> float:
    return 100 * (1 - (value - low) / (1 - low))


@dataclass(frozen=True)
class Between:
    """Two layers, numbered from 1, and how alike they are."""

    first: int
    second: int
    cka: float


@dataclass(frozen=True)
class Alike:
    """What the map of likeness says: between which neighbours most changes, which neighbours hardly differ.

    Neighbours are those outside of all containers, each of which is given what the one before it gives.
    """

    largest_change: Between
    same: tuple[Between, ...]
    ends: Between | None


SAME = 0.98
"""Neighbours from here on are called almost the same."""


def alike(figures: Similarity) -> Alike | None:
    """The readings; None where no two neighbours could be compared."""
    trunk = [n for n, layer in enumerate(figures.layers) if layer.depth == 0]
    pairs = [found for pair in pairwise(trunk) if (found := _between(figures, *pair))]
    if not pairs:
        return None
    return Alike(
        min(pairs, key=lambda pair: pair.cka),
        tuple(pair for pair in pairs if pair.cka >= SAME),
        _between(figures, trunk[0], trunk[-1]),
    )


def _between(figures: Similarity, first: int, second: int) -> Between | None:
    row = figures.cka[first]
    cka = None if row is None else row[second]
    return None if cka is None else Between(first + 1, second + 1, cka)


def shade(cka: float | None) -> int | None:
    """Which colour stands for a likeness, 0 to `STEPS`; a little below 0 is chance and counts as 0."""
    return None if cka is None else max(0, min(STEPS, round(STEPS * cka)))
