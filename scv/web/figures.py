"""Geometry of the small drawings: a tensor as a box, a network as a silhouette."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import log2

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.document import Block
from scv.blocks.shapes import Shape


@dataclass(frozen=True)
class Cuboid:
    """An SVG of a `(C, H, W)` tensor: the front is the image, the depth the channels, on logarithmic scales."""

    width: float
    height: float
    front: str
    edges: str


def cuboid(shape: Shape) -> Cuboid:
    channels, height, width = shape
    w, h = _side(width), _side(height)
    depth = 2 + 1.5 * log2(channels + 1)
    dx, dy = round(depth * 0.8, 1), round(depth * 0.6, 1)
    y = 1 + dy
    return Cuboid(
        width=round(w + dx + 2, 1),
        height=round(h + dy + 2, 1),
        front=f"M1 {y}h{w}v{h}h-{w}z",
        edges=f"M1 {y}l{dx} -{dy}h{w}l-{dx} {dy}M{w + 1} {y}l{dx} -{dy}v{h}l-{dx} {dy}",
    )


def _side(pixels: int) -> float:
    return round(5 + 2.3 * log2(pixels + 1), 1)


SILHOUETTE = 14
"""Most bands of a silhouette; a longer network is shown by evenly chosen blocks."""


def silhouette(blocks: Iterable[Block]) -> tuple[str, ...]:
    """The categories of a network's blocks from top to bottom, thinned to what a card can show."""
    categories = [CATALOGUE[block.type].category for block in blocks if block.type in CATALOGUE]
    if len(categories) <= SILHOUETTE:
        return tuple(categories)
    return tuple(categories[i * len(categories) // SILHOUETTE] for i in range(SILHOUETTE))
