"""How a network bears images that are worse than those it learned from."""

from typing import Literal

import msgspec

from scv.message import Message
from scv.report.sprites import Sprite

CorruptionName = Literal["noise", "blur", "shift", "rotation", "contrast", "occlusion"]


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One severity: `amount` in the corruption's unit, the share that is still right, its standard error, and the
    mean probability of the answers."""

    amount: float
    accuracy: float
    error: float
    confidence: float


class Corruption(msgspec.Struct, frozen=True, kw_only=True):
    """One way to spoil images at five levels, the weakest first. `unit` is what the amounts count.

    `tiles`: each row is one test image, as it is and then at every level.
    """

    name: CorruptionName
    title: Message
    definition: Message
    unit: Message
    levels: tuple[Level, ...]
    tiles: Sprite


class Robustness(msgspec.Struct, frozen=True, kw_only=True):
    """All corruptions of the same test images, so many of them, as equal a share of each class as there is.

    `clean` is what the images get as they are.
    """

    images: int = msgspec.field(name="pictures")
    clean: Level
    corruptions: tuple[Corruption, ...]
    verdict: Message
