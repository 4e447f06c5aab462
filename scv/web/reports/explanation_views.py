"""What the templates of the sections that explain a network take, beside the figures that each one holds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from scv.report.activation import Activation
from scv.report.attribution import Attribution
from scv.report.contents import read_section
from scv.report.feature_visualization import Maximization
from scv.report.layer_similarity import Similarity
from scv.report.parity import Parity
from scv.report.robustness import Robustness
from scv.report.sprites import Example
from scv.report.validity import Deletion, Randomization, Validity
from scv.web.reports.channels import activation_view
from scv.web.reports.context import Around, ReadableSection, Section, named
from scv.web.reports.drawings import (
    Alike,
    alike,
    line,
    randomization_floor,
    randomization_line,
    robustness_band,
    robustness_line,
    shade,
)


@dataclass(frozen=True)
class AttributionView:
    """The section, and what its checks say of each method where they are made."""

    figures: Attribution
    name: Callable[[int], str]
    validity: Validity | None

    @property
    def right(self) -> tuple[tuple[int, Example], ...]:
        """The examples that were answered rightly, each with its tile."""
        return tuple((n, one) for n, one in enumerate(self.figures.examples) if one.label == one.predicted)

    @property
    def wrong(self) -> tuple[tuple[int, Example], ...]:
        """The mistakes, each with its tile."""
        return tuple((n, one) for n, one in enumerate(self.figures.examples) if one.label != one.predicted)

    def checks(self, method: str) -> tuple[Randomization | Deletion, ...]:
        """The verdicts about a method."""
        if self.validity is None:
            return ()
        every: tuple[Randomization | Deletion, ...] = (*self.validity.randomizations, *self.validity.deletions)
        return tuple(one for one in every if one.method == method)


@dataclass(frozen=True)
class ValidityView:
    """The section with its drawings."""

    figures: Validity
    line = staticmethod(line)
    randomization_line = staticmethod(randomization_line)
    floor = staticmethod(randomization_floor)


@dataclass(frozen=True)
class RobustnessView:
    """The section with its drawings."""

    figures: Robustness
    line = staticmethod(robustness_line)
    band = staticmethod(robustness_band)


@dataclass(frozen=True)
class SimilarityView:
    """The section, and what can be read from it."""

    figures: Similarity
    alike: Alike | None
    shade = staticmethod(shade)


@dataclass(frozen=True)
class ParityView:
    """The section, and when it was made."""

    figures: Parity

    @property
    def moment(self) -> datetime:
        """In UTC."""
        return datetime.fromisoformat(self.figures.made_at)


def _attribution(made: Attribution, around: Around) -> AttributionView:
    return AttributionView(made, around.name, read_section(around.folder, "validity", Validity))


def _similarity(made: Similarity, around: Around) -> SimilarityView:
    return SimilarityView(made, alike(made))


EXPLAINED: Mapping[str, ReadableSection] = {
    "activation": Section(Activation, activation_view),
    "attribution": Section(Attribution, _attribution),
    "validity": Section(Validity, lambda made, around: ValidityView(made)),
    "maximization": Section(Maximization, named),
    "robustness": Section(Robustness, lambda made, around: RobustnessView(made)),
    "similarity": Section(Similarity, _similarity),
    "parity": Section(Parity, lambda made, around: ParityView(made)),
}
"""The sections that are shown here, in the order in which they are read: what their JSON holds, and their view."""
