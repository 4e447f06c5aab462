"""What excites each channel of each layer: the section `activation` of a report, and a file of its own for each layer.

Nothing needs to be computed to show any channel of any layer: the section lists the layers, `LayerActivations.file`
names the JSON of the layer's `Details`, and these name the images.
"""

import msgspec

from scv.blocks.shapes import Shape
from scv.report.sprites import Sprite


class ChannelActivations(msgspec.Struct, frozen=True):
    """One channel, or one unit of a vector, over all images that were looked at.

    `images` are the test images that excite it most, by its largest number anywhere in the image, and `peaks` those
    numbers. `low` and `high` bound all its numbers; they are black and white of its maps; where they are equal no image
    excites it more than another. `samples` are a unit's numbers for the sample images, empty for a channel, which has
    maps.
    """

    low: float
    high: float
    images: tuple[int, ...]
    peaks: tuple[float, ...]
    samples: tuple[float, ...] = ()


class Details(msgspec.Struct, frozen=True):
    """A layer's channels, in order, and their images.

    With k images a channel and s samples, the images and the maps of channel c's image n are the tiles c·k + n, the
    map of its sample n is tile c·s + n. Vectors have no maps. Maps are enlarged by whole pixels.
    """

    channels: tuple[ChannelActivations, ...]
    sprite: Sprite = msgspec.field(name="pictures")
    maps: Sprite | None
    sample_maps: Sprite | None


class LayerActivations(msgspec.Struct, frozen=True):
    """One layer: the first `shown` of its `channels` have images, described in `file`."""

    block: str
    type: str
    path: str
    output: Shape
    channels: int
    shown: int
    file: str


class Activation(msgspec.Struct, frozen=True, kw_only=True):
    """The whole section. `looked` of `images` test images were shown to the network, of each class as many as can be.

    `samples` are test images, one a class as far as there is room, with their images in this order. Flatten is left
    out: its units are places of the layer before.
    """

    looked: int
    images: int
    samples: tuple[int, ...]
    sprite: Sprite = msgspec.field(name="pictures")
    layers: tuple[LayerActivations, ...]
