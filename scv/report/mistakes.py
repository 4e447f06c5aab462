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
    """Of the training set, of whose `images` it was shown `looked`; `held_out` of these it did not learn from.

    What it learned from it may know by heart, wrong label and all, so that fewer of those are found.
    """

    suspects: Gallery
    looked: int
    images: int
    held_out: int
