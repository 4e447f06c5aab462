"""The section on robustness: accuracy on test images that become worse, with its curves."""

from dataclasses import dataclass

from scv.report.robustness import Corruption, Level, Robustness
from scv.web.reports.sections.context import SectionContext
from scv.web.reports.sections.curves import band, line


def robustness_line(clean: Level, corruption: Corruption) -> str:
    """Accuracy on the images as they are, then at each level, as an SVG path."""
    return line([clean.accuracy, *(level.accuracy for level in corruption.levels)])


def robustness_band(clean: Level, corruption: Corruption) -> str:
    """Two standard errors to each side of the line, as a closed SVG path."""
    levels = (clean, *corruption.levels)
    lower = [max(0.0, one.accuracy - 2 * one.error) for one in levels]
    upper = [min(1.0, one.accuracy + 2 * one.error) for one in levels]
    return band(lower, upper)


@dataclass(frozen=True)
class RobustnessView:
    """The figures with the functions that draw them."""

    figures: Robustness
    line = staticmethod(robustness_line)
    band = staticmethod(robustness_band)


def robustness_view(figures: Robustness, context: SectionContext) -> RobustnessView:
    return RobustnessView(figures)
