"""The confusion matrix as it is shown: a table of some classes, and a map of all where there are many."""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest

from scv.report.metrics import ConfusionCell, Metrics

LARGEST = 24
"""With more classes than this the table shows only the most confused ones, under a map of all."""

WINDOW = 12
"""The number of classes in such a table."""

MOST_POINTS = 4000
"""The number of cells on the map; cells with more images are drawn first."""

SHADES = (0.002, 0.01, 0.03, 0.1, 0.25, 0.5)
"""Shares of a class from which on a cell is one shade darker. The steps are uneven because most mistakes are rare."""


@dataclass(frozen=True)
class Square:
    """One cell: `count` images of the class `label`, a share of its images, were taken for `predicted`."""

    label: int
    predicted: int
    count: int
    share: float

    @property
    def right(self) -> bool:
        """Whether the cell lies on the diagonal."""
        return self.label == self.predicted

    @property
    def shade(self) -> int:
        """0 where the cell is empty, else 1 to 6."""
        return max(1, sum(self.share >= least for least in SHADES)) if self.count else 0

    @property
    def key(self) -> str:
        """The name of the cell in an address."""
        return f"{self.label}-{self.predicted}"


@dataclass(frozen=True)
class ConfusionTable:
    """`labels` are the classes of the rows and columns, `rows` the cells of each row."""

    labels: tuple[int, ...]
    rows: tuple[tuple[Square, ...], ...]


def square(figures: Metrics, label: int, predicted: int) -> Square:
    """One cell of the matrix."""
    row = figures.confusion.counts[label]
    return Square(label, predicted, row[predicted], row[predicted] / max(1, sum(row)))


def confusion_table(figures: Metrics) -> ConfusionTable:
    """All classes, or the most confused ones where there are too many."""
    classes = len(figures.classes)
    labels = tuple(range(classes)) if classes <= LARGEST else _most_confused(figures)
    return ConfusionTable(labels, tuple(tuple(square(figures, row, column) for column in labels) for row in labels))


def _most_confused(figures: Metrics) -> tuple[int, ...]:
    """The classes of the most frequent confusions, in the order of their numbers."""
    found: dict[int, None] = {}
    for cell in figures.confusion.cells:
        if cell.label != cell.predicted and len(found | {cell.label: None, cell.predicted: None}) <= WINDOW:
            found |= {cell.label: None, cell.predicted: None}
    return tuple(sorted(found)) or tuple(range(WINDOW))


def most_frequent(figures: Metrics, most: int) -> tuple[Square, ...]:
    """The most frequent confusions, at most `most` of them."""
    wrong = (cell for cell in figures.confusion.cells if cell.label != cell.predicted)
    return tuple(square(figures, cell.label, cell.predicted) for cell, _ in zip(wrong, range(most), strict=False))


def confusions_of(figures: Metrics, label: int) -> tuple[tuple[Square, ...], tuple[Square, ...]]:
    """The classes that the class is taken for, and the classes that are taken for it, the most frequent first."""
    others = [number for number in range(len(figures.classes)) if number != label]
    taken = [square(figures, label, other) for other in others]
    mistaken = [square(figures, other, label) for other in others]
    return _sorted(taken), _sorted(mistaken)


def _sorted(squares: Sequence[Square]) -> tuple[Square, ...]:
    return tuple(sorted((one for one in squares if one.count), key=lambda one: -one.count))


def confusion_map(figures: Metrics) -> tuple[tuple[str, int, str], ...]:
    """All classes as SVG paths of unit squares: `right` or `wrong`, the shade, and the path."""
    paths: dict[tuple[str, int], list[str]] = {}
    for cell in nlargest(MOST_POINTS, figures.confusion.cells, key=lambda cell: cell.count):
        one = square(figures, cell.label, cell.predicted)
        kind = ("right" if one.right else "wrong", one.shade)
        paths.setdefault(kind, []).append(f"M{one.predicted} {one.label}h1v1h-1z")
    return tuple((kind, shade, "".join(parts)) for (kind, shade), parts in sorted(paths.items()))


def cell_named(figures: Metrics, key: str) -> ConfusionCell | None:
    """The cell that an address names; None where the cell is empty."""
    label, _, predicted = key.partition("-")
    return next(
        (cell for cell in figures.confusion.cells if (str(cell.label), str(cell.predicted)) == (label, predicted)), None
    )
