"""What attributions of a network show: where in some test images it saw what speaks for its answer."""

from typing import Literal

import msgspec

from scv.message import Message
from scv.report.sprites import Example, Sprite

MethodName = Literal["grad_cam", "integrated_gradients", "occlusion"]


class Legend(msgspec.Struct, frozen=True, kw_only=True):
    """Which colour stands for which number: `colours` (`#rrggbb`) are at equal distances from `low` to `high`."""

    colours: tuple[str, ...]
    low: float
    high: float


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """One way to attribute. Tile n of `tiles` belongs to example n; without tiles the first note says why.

    Each map is scaled by its own largest amount. `rows` and `columns` are how finely it was computed.
    """

    name: MethodName
    title: Message
    meaning: Message
    settings: Message
    signed: bool
    legend: Legend
    rows: int
    columns: int
    tiles: Sprite | None = None
    notes: tuple[Message, ...] = ()


class Attribution(msgspec.Struct, frozen=True, kw_only=True):
    """Examples class by class, first those that are right, then the mistakes it is surest of; the class that is
    explained is the predicted one.

    `steps` and `gap` are the most that integrated gradients took and the largest share that they missed.
    """

    target: Message
    background: Message
    examples: tuple[Example, ...]
    sprite: Sprite = msgspec.field(name="pictures")
    methods: tuple[Method, ...]
    steps: int
    gap: float
