"""What the templates of the sections that explain a network take, beside the figures that each one holds.

The page lets its reader choose a layer and a channel by its address (`layer`, `channel`); the file, which has no server
to ask, holds the first channels of every layer, cut out of the report's pictures.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from PIL import Image

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.report.activation import Activation, ChannelActivations, Details, LayerActivations
from scv.blocks.report.attribution import Attribution
from scv.blocks.report.contents import Failed, decode_section, file_of
from scv.blocks.report.maximization import ChannelImages, Maximization
from scv.blocks.report.parity import Parity
from scv.blocks.report.robustness import Robustness
from scv.blocks.report.similarity import Similarity
from scv.blocks.report.sprites import Example, Sprite
from scv.blocks.report.validity import Deletion, Randomization, Validity
from scv.web.report_figures import (
    Alike,
    alike,
    line,
    randomization_floor,
    randomization_line,
    robustness_band,
    robustness_line,
    shade,
)

S = TypeVar("S", bound=msgspec.Struct)

PAGE = 48
"""So many channels can be chosen from at once."""

IN_FILE = 6
"""So many channels of a layer are in the self-contained file."""


@dataclass(frozen=True)
class Around:
    """What stands around a section: the report's folder, the names of the classes, what its reader chose.

    `whole` is for the file: everything is in it, as nothing can be chosen.
    """

    folder: Path
    class_names: Sequence[str]
    chosen: Mapping[str, str]
    whole: bool = False

    def name(self, label: int) -> str:
        """What a class is called: by its number where its name is not known."""
        return self.class_names[label] if label < len(self.class_names) else str(label)


@dataclass(frozen=True)
class Named:
    """Figures, and what the classes that they number are called."""

    figures: Any
    name: Callable[[int], str]


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

    @staticmethod
    def category(layer: LayerActivations) -> str:
        """That of the layer's kind of block."""
        kind = CATALOGUE.get(layer.type)
        return kind.category if kind else "structure"


@dataclass(frozen=True)
class AttributionView:
    """The section, and what its checks say of each method where they are made."""

    figures: Attribution
    name: Callable[[int], str]
    validity: Validity | None

    @property
    def right(self) -> tuple[tuple[int, Example], ...]:
        """The examples that were answered rightly, each with its tile."""
        return tuple((n, one) for n, one in enumerate(self.figures.examples) if one.label == one.predicted)

    @property
    def wrong(self) -> tuple[tuple[int, Example], ...]:
        """The mistakes, each with its tile."""
        return tuple((n, one) for n, one in enumerate(self.figures.examples) if one.label != one.predicted)

    def checks(self, method: str) -> tuple[Randomization | Deletion, ...]:
        """The verdicts about a method."""
        if self.validity is None:
            return ()
        every: tuple[Randomization | Deletion, ...] = (*self.validity.randomizations, *self.validity.deletions)
        return tuple(one for one in every if one.method == method)


@dataclass(frozen=True)
class ValidityView:
    """The section with its drawings."""

    figures: Validity
    line = staticmethod(line)
    randomization_line = staticmethod(randomization_line)
    floor = staticmethod(randomization_floor)


@dataclass(frozen=True)
class RobustnessView:
    """The section with its drawings."""

    figures: Robustness
    line = staticmethod(robustness_line)
    band = staticmethod(robustness_band)


@dataclass(frozen=True)
class SimilarityView:
    """The section, and what can be read from it."""

    figures: Similarity
    alike: Alike | None
    shade = staticmethod(shade)


@dataclass(frozen=True)
class ParityView:
    """The section, and when it was made."""

    figures: Parity

    @property
    def moment(self) -> datetime:
        """In UTC."""
        return datetime.fromisoformat(self.figures.made_at)


def _activation(made: Any, around: Around) -> ActivationView:
    figures: Activation = made
    numbers = range(len(figures.layers)) if around.whole else (_number(around.chosen, "layer", len(figures.layers)),)
    wanted = around.chosen.get("channel")
    layers = []
    channel = 0
    for number in numbers:
        layer = figures.layers[number]
        details = _read(around.folder / layer.file, Details)
        lively = _lively(details)
        if around.whole:
            layers.append(_cut_layer(number, layer, details, around.folder))
            continue
        channel = _number(around.chosen, "channel", layer.shown) if wanted else lively
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
    return ActivationView(figures, tuple(layers), channel, _other(around.folder, "maximization", Maximization))


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


def _number(chosen: Mapping[str, str], name: str, below: int) -> int:
    """A number of the address; 0 where it makes no sense."""
    text = chosen.get(name, "")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0
    return number if number < below else 0


def _read(path: Path, kind: type[S]) -> S | None:
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(path.read_bytes(), type=kind)
    return None


def _attribution(made: Any, around: Around) -> AttributionView:
    return AttributionView(made, around.name, _other(around.folder, "validity", Validity))


def _other(folder: Path, section: str, kind: type[S]) -> S | None:
    """Another section of the same report, where it was made."""
    with suppress(OSError, msgspec.DecodeError):
        found = decode_section((folder / file_of(section)).read_bytes(), kind)
        return None if isinstance(found, Failed) else found
    return None


def _similarity(made: Any, around: Around) -> SimilarityView:
    return SimilarityView(made, alike(made))


def _named(made: Any, around: Around) -> Named:
    return Named(made, around.name)


View = Callable[[Any, Around], Any]

EXPLAINED: Mapping[str, tuple[type[msgspec.Struct], View]] = {
    "activation": (Activation, _activation),
    "attribution": (Attribution, _attribution),
    "validity": (Validity, lambda made, around: ValidityView(made)),
    "maximization": (Maximization, _named),
    "robustness": (Robustness, lambda made, around: RobustnessView(made)),
    "similarity": (Similarity, _similarity),
    "parity": (Parity, lambda made, around: ParityView(made)),
}
"""The sections that are shown here, in the order in which they are read: what their JSON holds, and their view."""
