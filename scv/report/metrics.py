"""How good a network is: the section `metrics` of a report. All of it is about the test set.

Classes are numbers, their names are in `classes`; shares are from 0 to 1, losses mean cross-entropies in nats.
"""

import msgspec

from scv.report.sprites import Sprite


class ClassFigures(msgspec.Struct, frozen=True):
    """One class: its images, how often it was the answer, and how often rightly.

    `precision` is right / predicted, `recall` right / support, `f1` their harmonic mean; None where it divides by 0.
    """

    name: str
    support: int
    predicted: int
    right: int
    precision: float | None
    recall: float | None
    f1: float | None


class Average(msgspec.Struct, frozen=True):
    """Precision, recall and F1 over all classes that have test images or were an answer; None counts as 0."""

    precision: float
    recall: float
    f1: float


class TopK(msgspec.Struct, frozen=True):
    """Share of images whose class is among the k likeliest answers."""

    k: int
    accuracy: float


class Bin(msgspec.Struct, frozen=True):
    """Answers with a confidence above `low` up to `high`; means are None where there are none."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


class Calibration(msgspec.Struct, frozen=True):
    """Whether answers are as often right as they are sure: the reliability diagram.

    `error` is the expected calibration error: the mean of |accuracy - confidence| over bins of equal width, by their
    counts (Guo et al. 2017, On Calibration of Modern Neural Networks, who take 15 bins).
    """

    bins: tuple[Bin, ...]
    error: float
    confidence: float


class ConfusionCell(msgspec.Struct, frozen=True):
    """A cell of the confusion matrix that is not empty. `images` are test images in it, most confident first.

    The first `tiles` of them are shown, from the tile `first_tile` of the confusion's images on.
    """

    label: int
    predicted: int
    count: int
    images: tuple[int, ...]
    first_tile: int = 0
    tiles: int = 0


class Confusion(msgspec.Struct, frozen=True):
    """`counts[label][predicted]` are images; `cells` those that are not 0, the most frequent mistakes first."""

    counts: tuple[tuple[int, ...], ...]
    cells: tuple[ConfusionCell, ...]
    sprite: Sprite | None = msgspec.field(name="pictures")


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """The whole section. `not_finite` images got an answer that holds NaN or infinity.

    `low` and `high` bound the accuracy with 95 % confidence (Wilson 1927). `most_frequent` is the accuracy of always
    naming the class that the test set shows most often.
    """

    images: int
    right: int
    accuracy: float
    low: float
    high: float
    most_frequent: float
    loss: float
    not_finite: int
    classes: tuple[ClassFigures, ...]
    macro: Average
    micro: Average
    top: tuple[TopK, ...]
    calibration: Calibration
    confusion: Confusion
