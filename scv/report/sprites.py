"""Many small pictures in one PNG file, and what is said of one test or training picture."""

import msgspec


class Sprite(msgspec.Struct, frozen=True):
    """`count` tiles of `width` × `height` pixels in rows of `columns`, in `file` of the report's folder.

    Tile n, from 0, has its left upper corner at (n mod columns · width, n // columns · height).
    """

    file: str
    width: int
    height: int
    columns: int
    count: int


class Example(msgspec.Struct, frozen=True):
    """A picture with the network's answer. Classes are numbers, probabilities shares from 0 to 1, the loss in nats.

    `index` is its place in its part of the dataset; `confidence` is the probability of the class `predicted`.
    """

    index: int
    label: int
    predicted: int
    confidence: float
    label_probability: float
    loss: float


class Gallery(msgspec.Struct, frozen=True):
    """Some pictures, each with the tile of its position in `pictures`, of `found` that there are in all.

    `pictures` is None where there is none.
    """

    found: int
    examples: tuple[Example, ...] = ()
    pictures: Sprite | None = None
