"""The section on activations: the test images that excite each channel most.

On the page the reader chooses a layer and a channel by the address (`layer`, `channel`). The HTML file holds the first
channels of every layer, cut out of the report's sprites.
"""

from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import msgspec
from PIL import Image

from scv.blocks.catalogue.all import CATALOGUE
from scv.report.activation import Activation, ChannelActivations, Details, LayerActivations
from scv.report.contents import read_section
from scv.report.feature_visualization import ChannelImages, Maximization
from scv.report.sprites import Sprite
from scv.web.reports.sections.context import SectionContext, number_chosen

PAGE = 48
"""The number of channels that are listed at once."""

IN_FILE = 6
"""The number of channels of a layer that are in the HTML file."""


class CroppedSprite(Sprite, frozen=True):
    """The first tiles of a sprite as a PNG of its own, in the data URL `data`."""

    data: str


@dataclass(frozen=True)
class ChosenLayer:
    """A layer with its details. `details` is None where their file cannot be read.

    `channels` are the numbers of those that are listed.
    """

    number: int
    layer: LayerActivations
    details: Details | None
    sprite: Sprite | None
    maps: Sprite | None
    channels: tuple[int, ...]

    @property
    def best(self) -> int:
        """The number of images of each channel."""
        return len(self.details.channels[0].images) if self.details and self.details.channels else 0

    @property
    def pages(self) -> tuple[int, ...]:
        """The first channel of each page of the list."""
        return tuple(range(0, self.layer.shown, PAGE))

    def last(self, first: int) -> int:
        """The number, from 1, of the last channel on the page that begins with `first`."""
        return min(first + PAGE, self.layer.shown)


@dataclass(frozen=True)
class ActivationView:
    """The figures, the layers that are shown in full, and the chosen channel of the first of them.

    `visualizations` are the images made out of noise; None where the report has no such section.
    """

    figures: Activation
    layers: tuple[ChosenLayer, ...]
    channel: int
    visualizations: Maximization | None
    class_names: Sequence[str]

    @property
    def current(self) -> ChosenLayer:
        """The chosen layer."""
        return self.layers[0]

    @property
    def answers(self) -> ChannelActivations | None:
        """The activations of the chosen channel."""
        details = self.current.details
        return details.channels[self.channel] if details else None

    @property
    def visualized(self) -> ChannelImages | None:
        """The images made out of noise for this layer's channels, where the chosen channel has one."""
        layers = self.visualizations.layers if self.visualizations else ()
        path = self.current.layer.path
        return next((one for one in layers if one.path == path and self.channel < len(one.answers)), None)

    def class_of(self, layer: LayerActivations, unit: int) -> str | None:
        """The class that a unit of the output stands for; None for a unit that stands for no class.

        Units of the last layer with weights, and of the layers after it, stand for classes.
        """
        for one in reversed([one for one in self.figures.layers if "." not in one.path]):  # what branches hold is none
            if one.output != (len(self.class_names),):
                return None
            if one.path == layer.path:
                return self.class_names[unit]
            if self.category(one) in ("linear", "convolution", "structure"):
                return None
        return None

    @staticmethod
    def category(layer: LayerActivations) -> str:
        """The category of the layer's block."""
        kind = CATALOGUE.get(layer.type)
        return kind.category if kind else "structure"


def activation_view(figures: Activation, context: SectionContext) -> ActivationView:
    """The chosen layer and channel; for the HTML file the first channels of every layer."""
    visualizations = read_section(context.folder, "maximization", Maximization)
    if context.whole:
        layers = tuple(_cropped_layer(number, layer, context.folder) for number, layer in enumerate(figures.layers))
        return ActivationView(figures, layers, 0, visualizations, context.class_names)
    number = number_chosen(context.chosen, "layer", len(figures.layers)) or 0
    layer = figures.layers[number]
    details = _details(context.folder / layer.file)
    if "channel" in context.chosen:
        channel = number_chosen(context.chosen, "channel", layer.shown) or 0
    else:
        channel = _first_active(details)
    first = channel // PAGE * PAGE
    chosen = ChosenLayer(
        number,
        layer,
        details,
        details.sprite if details else None,
        details.maps if details else None,
        tuple(range(first, min(first + PAGE, layer.shown))),
    )
    return ActivationView(figures, (chosen,), channel, visualizations, context.class_names)


def _first_active(details: Details | None) -> int:
    """The first channel that does not give the same for all images."""
    channels = details.channels if details else ()
    return next((n for n, one in enumerate(channels) if one.high > one.low), 0)


def _cropped_layer(number: int, layer: LayerActivations, folder: Path) -> ChosenLayer:
    """A layer with its first channels."""
    details = _details(folder / layer.file)
    count = min(IN_FILE, layer.shown)
    if details is None:
        return ChosenLayer(number, layer, None, None, None, ())
    tiles = count * len(details.channels[0].images)
    maps = _crop(folder, details.maps, tiles) if details.maps else None
    return ChosenLayer(number, layer, details, _crop(folder, details.sprite, tiles), maps, tuple(range(count)))


def _crop(folder: Path, sprite: Sprite, tiles: int) -> CroppedSprite | None:
    """The first tiles of a sprite; None where its file cannot be read."""
    with suppress(OSError), Image.open(folder / sprite.file) as image:
        rows = -(-tiles // sprite.columns)
        columns = min(sprite.columns, tiles)
        part = image.crop((0, 0, columns * sprite.width, rows * sprite.height))
        text = BytesIO()
        part.save(text, "PNG")
        data = f"data:image/png;base64,{b64encode(text.getvalue()).decode()}"
        return CroppedSprite(sprite.file, sprite.width, sprite.height, columns, min(tiles, rows * columns), data)
    return None


def _details(path: Path) -> Details | None:
    """The details of a layer; None where their file cannot be read."""
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(path.read_bytes(), type=Details)
    return None
