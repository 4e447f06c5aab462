"""The section on similar layers: the map of how similar the layers are, and what can be read from it."""

from dataclasses import dataclass
from itertools import pairwise

from scv.report.layer_similarity import Similarity
from scv.web.reports.sections.context import SectionContext

STEPS = 10
"""The colours of the map are numbered from 0 to this."""

SAME = 0.98
"""From this CKA on two neighbours are called almost the same."""


@dataclass(frozen=True)
class LayerPair:
    """Two layers, numbered from 1, and their CKA."""

    first: int
    second: int
    cka: float


@dataclass(frozen=True)
class SimilarityReading:
    """What the map says: the neighbours that differ most, those that hardly differ, and the first and last layer.

    Neighbours are layers outside of all containers, where each gets what the one before it gives.
    """

    largest_change: LayerPair
    same: tuple[LayerPair, ...]
    ends: LayerPair | None


def read_similarity(figures: Similarity) -> SimilarityReading | None:
    """The readings; None where no two neighbours could be compared."""
    trunk = [n for n, layer in enumerate(figures.layers) if layer.depth == 0]
    pairs = [found for pair in pairwise(trunk) if (found := _pair(figures, *pair))]
    if not pairs:
        return None
    return SimilarityReading(
        min(pairs, key=lambda pair: pair.cka),
        tuple(pair for pair in pairs if pair.cka >= SAME),
        _pair(figures, trunk[0], trunk[-1]),
    )


def _pair(figures: Similarity, first: int, second: int) -> LayerPair | None:
    row = figures.cka[first]
    cka = None if row is None else row[second]
    return None if cka is None else LayerPair(first + 1, second + 1, cka)


def shade(cka: float | None) -> int | None:
    """The colour of a CKA, 0 to `STEPS`. A value a little below 0 is chance and gets the colour of 0."""
    return None if cka is None else max(0, min(STEPS, round(STEPS * cka)))


@dataclass(frozen=True)
class SimilarityView:
    """The figures, and what can be read from them."""

    figures: Similarity
    reading: SimilarityReading | None
    shade = staticmethod(shade)


def similarity_view(figures: Similarity, context: SectionContext) -> SimilarityView:
    return SimilarityView(figures, read_similarity(figures))
