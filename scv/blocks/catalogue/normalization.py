"""Normalizations: keep the numbers in a range where learning works."""

from math import prod
from typing import ClassVar

from scv.blocks.block import BlockType, Call
from scv.blocks.message import mark
from scv.blocks.params import Decimal, Flag, Param, Values
from scv.blocks.shapes import Shape


class BatchNorm2d(BlockType):
    """torch.nn.BatchNorm2d."""

    type = "BatchNorm2d"
    category = "normalization"
    stem = "norm"
    summary = mark("Brings every channel to mean 0 and spread 1, over the batch.")
    help = mark(
        "While training it measures mean and spread of each channel over the batch, and remembers them for later. "
        "Learning becomes faster and less touchy about its settings. Two learned numbers a channel can undo it where "
        "that is better."
    )
    params: ClassVar[tuple[Param, ...]] = (
        Decimal(
            name="eps",
            default=1e-5,
            minimum=1e-12,
            maximum=1.0,
            help=mark("A small number that avoids dividing by zero."),
        ),
        Decimal(
            name="momentum",
            default=0.1,
            minimum=0.0,
            maximum=1.0,
            help=mark("How much the newest batch counts in what is remembered."),
        ),
        Flag(name="affine", default=True, help=mark("Learn a scale and a shift for each channel.")),
    )

    def output(self, p: Values, shape: Shape) -> Shape:
        self.needs_tensor(shape)
        return shape

    def parameters(self, p: Values, shape: Shape) -> int:
        return 2 * shape[0] if p["affine"] else 0

    def multiply_adds(self, p: Values, shape: Shape) -> int:
        # When predicting, mean, spread, scale and shift are one factor and one summand.
        return prod(shape)

    def call(self, p: Values, shape: Shape) -> Call:
        return Call("nn.BatchNorm2d", (shape[0],), self.changed(p, "eps", "momentum", "affine"))

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        learned = ("y = γ·(x − mean) / √(var + ε) + β", f"γ, β: 2·{shape[0]} = {2 * shape[0]:,}")
        return learned if p["affine"] else ("y = (x − mean) / √(var + ε)",)
