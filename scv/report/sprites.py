"""Many small images in one PNG file, and the network's prediction for one image."""

import msgspec


class Sprite(msgspec.Struct, frozen=True):
    """`count` tiles of `width` × `height` pixels in rows of `columns`, in `file` of the report's folder.

    Tiles are numbered from 0, row by row.
    """

    file: str
    width: int
    height: int
    columns: int
    count: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole PNG, in pixels."""
        rows = (self.count + self.columns - 1) // self.columns
        return self.width * self.columns, self.height * rows

    def corner(self, number: int) -> tuple[int, int]:
        """The left upper corner of a tile, in pixels."""
        row, column = divmod(number, self.columns)
        return column * self.width, row * self.height


class Example(msgspec.Struct, frozen=True):
    """An image with the network's prediction. Classes are numbers, probabilities shares from 0 to 1, the loss in nats.

    `index` is its place in its part of the dataset; `confidence` is the probability of the class `predicted`.
    """

    index: int
    label: int
    predicted: int
    confidence: float
    label_probability: float
    loss: float


class Gallery(msgspec.Struct, frozen=True):
    """Some of the `found` images of a kind. The image at position n has tile n of `sprite`.

    `sprite` is None where there are no images.
    """

    found: int
    examples: tuple[Example, ...] = ()
    sprite: Sprite | None = msgspec.field(name="pictures", default=None)
