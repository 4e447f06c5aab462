"""What a network would like to see: images made from noise so that a class, or a channel, answers most."""

import msgspec

from scv.message import Message
from scv.report.sprites import Sprite


class Imagined(msgspec.Struct, frozen=True, kw_only=True):
    """The images of one class: their scores and probabilities, one for each seed.

    `best_real` is the highest score that a test image of the class gets, None where there was none.
    """

    target: int
    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    best_real: float | None


class ChannelImages(msgspec.Struct, frozen=True, kw_only=True):
    """Images of the first channels of a layer, or of the units of its vector: tile n is that of channel n.

    `channels` is how many the layer has. `answers` is what each channel gives in the middle of its image, or a unit
    for its image; `best_real` the largest number that it gives anywhere in a test image. Tiles show no more of the
    image than that depends on, `sees` pixels high and wide.
    """

    block: str
    type: str
    path: str
    channels: int
    answers: tuple[float, ...]
    best_real: tuple[float, ...]
    sees: tuple[int, int]
    tiles: Sprite


class Maximization(msgspec.Struct, frozen=True, kw_only=True):
    """Images of classes, and of channels. Tile n · seeds + s is that of class n of `classes` from seed s.

    `left_out` classes would have taken too long. `looked_at` counts the test images that they had to outdo.
    `layers` are those that have weights of their own to put channels together, but for `layers_left_out`.
    """

    classes: tuple[Imagined, ...]
    left_out: int
    seeds: int
    steps: int
    looked_at: int
    tiles: Sprite
    method: Message
    notes: tuple[Message, ...] = ()
    layers: tuple[ChannelImages, ...] = ()
    layers_left_out: int = 0
