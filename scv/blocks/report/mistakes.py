"""What a network gets wrong: the section `mistakes` of a report."""

import msgspec

from scv.blocks.report.sprites import Gallery


class Mistakes(msgspec.Struct, frozen=True, kw_only=True):
    """`confident` are wrong answers on test pictures, the surest first.

    Suspects are pictures whose label may be wrong, the largest loss first: the network finds another class at least as
    likely as it finds that class on average among the pictures that bear its label (the confident joint of Northcutt et
    al. 2021, Confident Learning). `training_suspects` were looked for among `training_looked` of `training_images`;
    `held_out` of those the network did not learn from.
    """

    confident: Gallery
    test_suspects: Gallery
    training_suspects: Gallery
    training_looked: int
    training_images: int
    held_out: int
