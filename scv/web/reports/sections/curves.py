"""Curves of a report as SVG paths in a box of 100 by 100."""

from collections.abc import Sequence


def line(values: Sequence[float], low: float = 0.0) -> str:
    """A path through the values at equal distances from left to right; the box goes from `low` at its foot to 1."""
    return "M" + "L".join(_points(list(enumerate(values)), max(len(values) - 1, 1), low))


def band(lower: Sequence[float], upper: Sequence[float]) -> str:
    """The area between two lines of the same length as a closed path; the box goes from 0 to 1."""
    last = max(len(upper) - 1, 1)
    around = [*enumerate(upper), *reversed(list(enumerate(lower)))]
    return "M" + "L".join(_points(around, last, 0.0)) + "z"


def _points(values: Sequence[tuple[int, float]], last: int, low: float) -> list[str]:
    """`x y` of each value; y grows downwards."""
    return [f"{100 * n / last:.4g} {100 * (1 - (value - low) / (1 - low)):.4g}" for n, value in values]
