"""The section on metrics: accuracy, the confusion matrix, precision and recall of each class, calibration.

The page shows what its reader chose: the order of the classes, one class, one cell of the matrix. The HTML file shows
the most frequent cells.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scv.message import Message, say
from scv.report.metrics import Bin, ClassFigures, ConfusionCell, Metrics
from scv.web.reports.sections.confusion import (
    LARGEST,
    ConfusionTable,
    Square,
    cell_named,
    confusion_map,
    confusion_table,
    confusions_of,
    most_frequent,
    square,
)
from scv.web.reports.sections.context import SectionContext, number_chosen


@dataclass(frozen=True)
class ChosenCell:
    """A cell of the confusion matrix with its images."""

    square: Square
    cell: ConfusionCell


SORTS: Mapping[str, Callable[[ClassFigures], float | None]] = {
    "support": lambda row: row.support,
    "precision": lambda row: row.precision,
    "recall": lambda row: row.recall,
    "f1": lambda row: row.f1,
}
"""The figures by which the table of classes can be sorted."""

FREQUENT = 20
"""The number of confusions that are listed where there are many classes."""

IN_FILE = 12
"""The number of cells whose images are in the HTML file."""


@dataclass(frozen=True)
class MetricsView:
    """The figures with the choices of the reader.

    `order` names the figure by which the classes are sorted, `down` says whether the largest come first. `one` is the
    number of the chosen class, `cells` are the cells of the matrix whose images are shown.
    """

    figures: Metrics
    matrix: ConfusionTable
    shares: bool
    order: str
    down: bool
    one: int | None
    cells: tuple[ChosenCell, ...]

    @property
    def first_cell(self) -> str:
        """The key of the first cell whose images are shown; empty where none is shown."""
        return self.cells[0].square.key if self.cells else ""

    @property
    def many(self) -> bool:
        """Whether there are more classes than the matrix shows."""
        return len(self.figures.classes) > LARGEST

    @property
    def classes(self) -> tuple[tuple[int, ClassFigures], ...]:
        """The classes with their numbers in the chosen order; classes without the figure come last."""
        rows = list(enumerate(self.figures.classes))
        key = SORTS.get(self.order)
        if key is None:
            return tuple(reversed(rows) if self.down else rows)
        known = [row for row in rows if key(row[1]) is not None]
        unknown = [row for row in rows if key(row[1]) is None]
        return (*sorted(known, key=lambda row: key(row[1]) or 0, reverse=self.down), *unknown)

    @property
    def map(self) -> tuple[tuple[str, int, str], ...]:
        """All classes as SVG paths: right or wrong, the shade, and the path."""
        return confusion_map(self.figures)

    @property
    def frequent(self) -> tuple[Square, ...]:
        """The most frequent confusions."""
        return most_frequent(self.figures, FREQUENT)

    @property
    def about(self) -> tuple[tuple[Square, ...], tuple[Square, ...]]:
        """The classes that the chosen class is taken for, and the classes that are taken for it."""
        return confusions_of(self.figures, self.one or 0)

    def names(self, number: int) -> str:
        """The name of a class."""
        return self.figures.classes[number].name

    @property
    def reliance(self) -> Message:
        """How far a reader can rely on the network's confidence."""
        if self.figures.images < 300:
            return say("There are too few test images to tell how reliable it is.")
        error = self.figures.calibration.error
        if error < 0.02:
            return say("You can rely on its confidence.")
        if error < 0.08:
            return say("Take its confidence only as a hint.")
        return say("Do not rely on its confidence.")

    @staticmethod
    def is_few(one: Bin) -> bool:
        """Whether a bin holds too few predictions to say much."""
        return one.count < 10

    @property
    def some_few(self) -> bool:
        """Whether any bin holds too few predictions."""
        return any(map(self.is_few, self.calibrated()))

    def calibrated(self) -> tuple[Bin, ...]:
        """The bins that hold predictions."""
        return tuple(one for one in self.figures.calibration.bins if one.count)


def metrics_view(figures: Metrics, context: SectionContext) -> MetricsView:
    """The section as its reader chose to see it."""
    cells = figures.confusion.cells[:IN_FILE] if context.whole else ()
    if (named := cell_named(figures, context.chosen.get("cell", ""))) is not None:
        cells = (named,)
    return MetricsView(
        figures=figures,
        matrix=confusion_table(figures),
        shares=context.chosen.get("shares") == "yes",
        order=context.chosen.get("order", ""),
        down=context.chosen.get("down") == "yes",
        one=number_chosen(context.chosen, "of", len(figures.classes)),
        cells=tuple(ChosenCell(square(figures, cell.label, cell.predicted), cell) for cell in cells),
    )
