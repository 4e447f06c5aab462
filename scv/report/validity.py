"""Whether attributions can be believed: two checks that stand beside them, with their verdicts."""

from typing import Literal

import msgspec

from scv.message import Message
from scv.report.attribution import MethodName
from scv.report.sprites import Sprite

Grade = Literal["good", "fair", "poor"]


class RandomizedStep(msgspec.Struct, frozen=True, kw_only=True):
    """After this trunk layer, and all above it, got random weights: mean similarity of the maps with the original.

    Spearman's rank correlation, −1 to 1: 1 is the same map, 0 an unrelated one.
    """

    layer: str
    similarity: float


class Randomization(msgspec.Struct, frozen=True, kw_only=True):
    """The weight-randomization test of one method. `tiles`: its map of one image, before and after each step."""

    method: MethodName
    steps: tuple[RandomizedStep, ...]
    grade: Grade
    verdict: Message
    tiles: Sprite


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """Mean probability of the answer while pixels are deleted, or inserted, in the order of a map.

    One number for each of the section's `shares`; the areas are under these curves, from 0 to 1: of deletion the
    lower is the better, of insertion the higher.
    """

    deletion: tuple[float, ...]
    insertion: tuple[float, ...]
    deletion_area: float
    insertion_area: float


class Deletion(msgspec.Struct, frozen=True, kw_only=True):
    """The curves of one method beside a random order's.

    `advantage` is by how much the area of deletion is smaller than that of a random order, as a mean over the
    images; `error` is its standard error.
    """

    method: MethodName
    curve: Curve
    advantage: float
    error: float
    grade: Grade
    verdict: Message


class Validity(msgspec.Struct, frozen=True, kw_only=True):
    """Both checks, each over so many test images. `shares` of the pixels are deleted, or inserted, so far."""

    images: int = msgspec.field(name="pictures")
    background: Message
    shares: tuple[float, ...]
    random: Curve
    deletions: tuple[Deletion, ...]
    randomization_images: int = msgspec.field(name="randomization_pictures")
    randomizations: tuple[Randomization, ...]
    caution: Message
