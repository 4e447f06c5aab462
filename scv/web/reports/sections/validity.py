"""The section on validity: the checks of the attribution methods, with their curves."""

from collections.abc import Sequence
from dataclasses import dataclass

from scv.report.validity import RandomizedStep, Validity
from scv.web.reports.sections.context import SectionContext
from scv.web.reports.sections.curves import line


def randomization_line(steps: Sequence[RandomizedStep], low: float) -> str:
    """Similarity to the map of the trained network as an SVG path; it is 1 before the first step."""
    return line([1.0, *(step.similarity for step in steps)], low)


def randomization_floor(steps: Sequence[RandomizedStep]) -> float:
    """The foot of the axis of similarities: 0, or a value below the smallest similarity."""
    least = min(step.similarity for step in steps)
    return 0.0 if least >= 0 else -0.5 if least >= -0.5 else -1.0


@dataclass(frozen=True)
class ValidityView:
    """The figures with the functions that draw them."""

    figures: Validity
    line = staticmethod(line)
    randomization_line = staticmethod(randomization_line)
    floor = staticmethod(randomization_floor)


def validity_view(figures: Validity, context: SectionContext) -> ValidityView:
    return ValidityView(figures)
