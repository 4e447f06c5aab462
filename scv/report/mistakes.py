"""What a network gets wrong, and labels that may be wrong: the sections `mistakes` and `labels` of a report.

Suspects are images whose label may be wrong, the largest loss first: the network answers with another class, and
finds it at least as likely as it finds that class on average among the images that bear its label (the confident
joint of Northcutt et al. 2021, Confident Learning).
"""

import msgspec

from scv.report.sprites import Gallery


class Mistakes(msgspec.Struct, frozen=True):
    """Of the test set: `confident` are wrong answers, the surest first."""

    confident: Gallery
    suspects: Gallery


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """Of the training set, of whose `images` `looked` were looked at.

    With `folds` other networks of the same kind answered, each to images that it did not learn from, and were right
    about the share `accuracy`. Without, it was the network itself, which did not learn from `held_out` of them. It may
    have memorised the wrong labels of the others, so fewer of those are found.
    """

    suspects: Gallery
    looked: int
    images: int
    held_out: int
    folds: int = 0
    accuracy: float | None = None

    @property
    def can_tell(self) -> bool:
        """Whether the answers are good enough to doubt a label, or to doubt none."""
        return self.accuracy is None or self.accuracy >= LEAST_ACCURACY


LEAST_ACCURACY = 0.7
"""Of answers to images that were not learned from. Where fewer are right, most suspects are the network's mistakes."""
