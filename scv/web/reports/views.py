"""What the templates of a report's sections take: the figures of each with what its reader chose, and its drawings.

A section is a Struct of `blocks.report` and a function that makes its view. The page lets its reader choose by its
address; the file, which has no server to ask, shows what is most important.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scv.message import Message, say
from scv.report.layers import Layers
from scv.report.metrics import Bin, Cell, ClassFigures, Metrics
from scv.report.mistakes import Labels, Mistakes
from scv.report.summary import Summary
from scv.web.reports.confusion import LARGEST, Matrix, Square, about, cell_named, confused, map_of, matrix_of, square
from scv.web.reports.context import Around, ReadableSection, S, Section, named, number_chosen
from scv.web.reports.explanation_views import EXPLAINED


@dataclass(frozen=True)
class ChosenCell:
    """A cell of the confusion matrix with its pictures."""

    square: Square
    cell: Cell


SORTS: Mapping[str, Callable[[ClassFigures], float | None]] = {
    "support": lambda row: row.support,
    "precision": lambda row: row.precision,
    "recall": lambda row: row.recall,
    "f1": lambda row: row.f1,
}
"""What the table of classes can be sorted by, beside their order."""

FREQUENT = 20
"""Confusions that are listed where there are many classes."""

IN_FILE = 12
"""Cells whose pictures are in the file."""


@dataclass(frozen=True)
class MetricsView:
    """The section. `order` is what the classes are sorted by, `down` whether the largest come first.

    `one` is the class that was chosen, `cells` those whose pictures are shown.
    """

    figures: Metrics
    matrix: Matrix
    shares: bool
    order: str
    down: bool
    one: int | None
    cells: tuple[ChosenCell, ...]

    @property
    def many(self) -> bool:
        """Whether the matrix shows some classes only."""
        return len(self.figures.classes) > LARGEST

    @property
    def classes(self) -> tuple[tuple[int, ClassFigures], ...]:
        """The classes as they are sorted; those that have no such figure come last."""
        rows = list(enumerate(self.figures.classes))
        key = SORTS.get(self.order)
        if key is None:
            return tuple(reversed(rows) if self.down else rows)
        known = [row for row in rows if key(row[1]) is not None]
        unknown = [row for row in rows if key(row[1]) is None]
        return (*sorted(known, key=lambda row: key(row[1]) or 0, reverse=self.down), *unknown)

    @property
    def map(self) -> tuple[tuple[str, int, str], ...]:
        return map_of(self.figures)

    @property
    def frequent(self) -> tuple[Square, ...]:
        return confused(self.figures, FREQUENT)

    @property
    def about(self) -> tuple[tuple[Square, ...], tuple[Square, ...]]:
        """What the chosen class is taken for, and what is taken for it."""
        return about(self.figures, self.one or 0)

    def names(self, number: int) -> str:
        return self.figures.classes[number].name

    @property
    def reliance(self) -> Message:
        """How far the network's confidence can be taken at its word."""
        if self.figures.images < 300:
            return say("So few test pictures cannot tell how far it can be relied on.")
        error = self.figures.calibration.error
        if error < 0.02:
            return say("So you can take its confidence at its word.")
        if error < 0.08:
            return say("So take its confidence as a hint, not as a promise.")
        return say("So do not rely on its confidence.")

    @staticmethod
    def is_few(one: Bin) -> bool:
        """Whether a bin holds too few answers to say much."""
        return one.count < 10

    @property
    def some_few(self) -> bool:
        """Whether any bin does."""
        return any(map(self.is_few, self.calibrated()))

    def calibrated(self) -> tuple[Bin, ...]:
        """The bins that hold answers."""
        return tuple(one for one in self.figures.calibration.bins if one.count)


def _metrics(figures: Metrics, around: Around) -> MetricsView:
    cells = figures.confusion.cells[:IN_FILE] if around.whole else ()
    if (named := cell_named(figures, around.chosen.get("cell", ""))) is not None:
        cells = (named,)
    return MetricsView(
        figures=figures,
        matrix=matrix_of(figures),
        shares=around.chosen.get("shares") == "yes",
        order=around.chosen.get("order", ""),
        down=around.chosen.get("down") == "yes",
        one=number_chosen(around.chosen, "of", len(figures.classes)),
        cells=tuple(ChosenCell(square(figures, cell.label, cell.predicted), cell) for cell in cells),
    )


def _plain(figures: S, around: Around) -> S:
    return figures


SECTIONS: Mapping[str, ReadableSection] = {
    "summary": Section(Summary, _plain),
    "metrics": Section(Metrics, _metrics),
    "mistakes": Section(Mistakes, named),
    "labels": Section(Labels, named),
    "layers": Section(Layers, _plain),
    **EXPLAINED,
}
"""The sections that can be shown, in the order in which they are read: what their JSON holds, and their view."""
