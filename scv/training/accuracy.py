"""How certain a measured accuracy is, and whether two differ by more than chance: one rule for all verdicts."""

from math import sqrt
from typing import Literal, NamedTuple

_Z = 1.959964
"""The 97.5th percentile of the normal distribution, for intervals of 95 %."""

APART = 0.01
"""A smaller difference is not worth a word, even where it is more than chance."""

UNCERTAIN = 0.15
"""An interval that is wider tells little: of 100 images at 90 % it is 0.12 wide, of 50 it is 0.17."""


class Accuracy(NamedTuple):
    """The share of `images` that were predicted correctly."""

    share: float
    images: int

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % confidence interval (Wilson 1927)."""
        return interval(self.share, self.images)

    @property
    def is_uncertain(self) -> bool:
        """Whether there are too few images to tell it well."""
        low, high = self.interval
        return high - low > UNCERTAIN


def interval(share: float, images: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share that was measured on so many images (Wilson 1927)."""
    spread = _Z * _Z / images
    middle = (share + spread / 2) / (1 + spread)
    reach = _Z * sqrt(share * (1 - share) / images + spread / (4 * images)) / (1 + spread)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def compare(validation: Accuracy, test: Accuracy) -> Literal["equal", "lower", "higher"]:
    """Whether the test accuracy is lower or higher than the validation accuracy by more than chance.

    That is so where the 95 % confidence interval of their difference does not hold 0 (Newcombe 1998, method 10).
    """
    (low, high), (test_low, test_high) = validation.interval, test.interval
    difference = test.share - validation.share
    least = difference - sqrt((test.share - test_low) ** 2 + (high - validation.share) ** 2)
    most = difference + sqrt((test_high - test.share) ** 2 + (validation.share - low) ** 2)
    if abs(difference) <= APART or least <= 0 <= most:
        return "equal"
    return "higher" if difference > 0 else "lower"
