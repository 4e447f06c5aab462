"""Blocks that only change how the numbers are arranged."""

from scv.blocks.block import BlockType, Call
from scv.blocks.message import mark
from scv.blocks.params import Values
from scv.blocks.shapes import Shape, size, written


class Flatten(BlockType):
    """torch.nn.Flatten."""

    type = "Flatten"
    category = "shape"
    stem = "flatten"
    summary = mark("Lays the picture out as one long row of numbers.")
    help = mark(
        "Convolutions work on pictures, Linear on rows. Flatten stands between them: it changes no number, it only "
        "forgets where each one was."
    )

    def output(self, p: Values, shape: Shape) -> Shape:
        return (size(shape),)

    def call(self, p: Values, shape: Shape) -> Call:
        return Call("nn.Flatten")

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        return (f"out = {written(shape)} = {size(shape):,}",)
