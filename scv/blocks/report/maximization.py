"""What a network would like to see: pictures made from noise so that a class, or a channel, answers most."""

import msgspec

from scv.blocks.message import Message
from scv.blocks.report.tiles import Tiles


class Imagined(msgspec.Struct, frozen=True, kw_only=True):
    """The pictures of one class: their scores and probabilities, one for each seed.

    `best_real` is the highest score that a test picture of the class gets, None where there was none.
    """

    target: int
    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    best_real: float | None


class Maximization(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures of classes. Tile n · seeds + s is that of class n of `classes` from seed s.

    `left_out` classes would have taken too long. `looked_at` counts the test pictures that they had to outdo.
    """

    classes: tuple[Imagined, ...]
    left_out: int
    seeds: int
    steps: int
    looked_at: int
    tiles: Tiles
    method: Message
    notes: tuple[Message, ...] = ()


class ChannelImages(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures of the channels of one trunk layer, of a layer of vectors those of its numbers; one tile each.

    `answers` are the channels' means over the picture. `left_out` channels would have taken too long.
    """

    layer: str
    channels: tuple[int, ...]
    answers: tuple[float, ...]
    left_out: int
    steps: int
    tiles: Tiles
    method: Message
