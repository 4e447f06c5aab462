"""What excites the channels of a network, as its section shows it.

The page lets its reader choose a layer and a channel by its address (`layer`, `channel`); the file, which has no server
to ask, holds the first channels of every layer, cut out of the report's pictures.
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
from scv.web.reports.context import Around, number_chosen

PAGE = 48
"""So many channels can be chosen from at once."""

IN_FILE = 6
"""So many channels of a layer are in the self-contained file."""


@dataclass(frozen=True)
class Cut:
    """The first tiles of a sprite as a picture of its own, at the address `data`."""

    file: str
    width: int
    height: int
    columns: int
    count: int
    data: str


@dataclass(frozen=True)
class ChosenLayer:
    """A layer with its details; `details` is None where its file cannot be read."""

    number: int
    layer: LayerActivations
    details: Details | None
    pictures: Sprite | Cut | None
    maps: Sprite | Cut | None
    channels: tuple[int, ...]
    """Those that are shown, or can be chosen from."""

    @property
    def best(self) -> int:
        """How many pictures there are of each channel."""
        return len(self.details.channels[0].images) if self.details and self.details.channels else 0

    @property
    def pages(self) -> tuple[int, ...]:
        """The first channel of each page."""
        return tuple(range(0, self.layer.shown, PAGE))

    page = PAGE


@dataclass(frozen=True)
class ActivationView:
    """The section, the layers that are shown in full, and which channel of the one that was chosen.

    `made` are the pictures made out of noise, where that section of the report is there.
    """

    figures: Activation
    layers: tuple[ChosenLayer, ...]
    channel: int
    made: Maximization | None
    class_names: Sequence[str]

    @property
    def current(self) -> ChosenLayer:
        """The layer that was chosen."""
        return self.layers[0]

    @property
    def answers(self) -> ChannelActivations | None:
        """What the chosen channel answers."""
        details = self.current.details
        return details.channels[self.channel] if details else None

    @property
    def liked(self) -> ChannelImages | None:
        """The pictures made for this layer's channels, where there is one for the chosen channel."""
        layers = self.made.layers if self.made else ()
        path = self.current.layer.path
        return next((one for one in layers if one.path == path and self.channel < len(one.answers)), None)

    def class_of(self, layer: LayerActivations, unit: int) -> str | None:
        """The class whose answer a unit is: one of the last layer with weights, or of what follows it; else None."""
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
        """That of the layer's kind of block."""
        kind = CATALOGUE.get(layer.type)
        return kind.category if kind else "structure"


def activation_view(figures: Activation, around: Around) -> ActivationView:
    """The layer and the channel that were chosen; in the file the first channels of every layer."""
    numbers = (
        range(len(figures.layers))
        if around.whole
        else (number_chosen(around.chosen, "layer", len(figures.layers)) or 0,)
    )
    wanted = around.chosen.get("channel")
    layers = []
    channel = 0
    for number in numbers:
        layer = figures.layers[number]
        details = _details(around.folder / layer.file)
        lively = _lively(details)
        if around.whole:
            layers.append(_cut_layer(number, layer, details, around.folder))
            continue
        channel = (number_chosen(around.chosen, "channel", layer.shown) or 0) if wanted else lively
        first = channel // PAGE * PAGE
        layers.append(
            ChosenLayer(
                number,
                layer,
                details,
                details.pictures if details else None,
                details.maps if details else None,
                tuple(range(first, min(first + PAGE, layer.shown))),
            )
        )
    return ActivationView(
        figures, tuple(layers), channel, read_section(around.folder, "maximization", Maximization), around.class_names
    )


def _lively(details: Details | None) -> int:
    """The first channel that some image excites more than another."""
    channels = details.channels if details else ()
    return next((n for n, one in enumerate(channels) if one.high > one.low), 0)


def _cut_layer(number: int, layer: LayerActivations, details: Details | None, folder: Path) -> ChosenLayer:
    count = min(IN_FILE, layer.shown)
    if details is None:
        return ChosenLayer(number, layer, None, None, None, ())
    tiles = count * len(details.channels[0].images)
    maps = _cut(folder, details.maps, tiles) if details.maps else None
    return ChosenLayer(number, layer, details, _cut(folder, details.pictures, tiles), maps, tuple(range(count)))


def _cut(folder: Path, sprite: Sprite, tiles: int) -> Cut | None:
    """The first tiles of a sprite; None where its picture cannot be read."""
    with suppress(OSError), Image.open(folder / sprite.file) as image:
        rows = -(-tiles // sprite.columns)
        columns = min(sprite.columns, tiles)
        part = image.crop((0, 0, columns * sprite.width, rows * sprite.height))
        text = BytesIO()
        part.save(text, "PNG")
        data = f"data:image/png;base64,{b64encode(text.getvalue()).decode()}"
        return Cut(sprite.file, sprite.width, sprite.height, columns, min(tiles, rows * columns), data)
    return None


def _details(path: Path) -> Details | None:
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(path.read_bytes(), type=Details)
    return None
