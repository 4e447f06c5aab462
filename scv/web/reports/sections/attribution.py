"""The section on attributions: where the network looks, for images that it got right and for mistakes."""

from collections.abc import Callable
from dataclasses import dataclass

from scv.report.attribution import Attribution
from scv.report.contents import read_section
from scv.report.sprites import Example
from scv.report.validity import Deletion, Randomization, Validity
from scv.web.reports.sections.context import SectionContext


@dataclass(frozen=True)
class AttributionView:
    """The figures, the names of the classes, and the checks of the methods where the report has them."""

    figures: Attribution
    name: Callable[[int], str]
    validity: Validity | None

    @property
    def right(self) -> tuple[tuple[int, Example], ...]:
        """The examples that the network got right, each with the number of its tile."""
        return tuple((n, one) for n, one in enumerate(self.figures.examples) if one.label == one.predicted)

    @property
    def wrong(self) -> tuple[tuple[int, Example], ...]:
        """The mistakes, each with the number of its tile."""
        return tuple((n, one) for n, one in enumerate(self.figures.examples) if one.label != one.predicted)

    def checks(self, method: str) -> tuple[Randomization | Deletion, ...]:
        """The checks of a method."""
        if self.validity is None:
            return ()
        every: tuple[Randomization | Deletion, ...] = (*self.validity.randomizations, *self.validity.deletions)
        return tuple(one for one in every if one.method == method)


def attribution_view(figures: Attribution, context: SectionContext) -> AttributionView:
    """The section; its checks are read from the section on validity."""
    return AttributionView(figures, context.name, read_section(context.folder, "validity", Validity))
