"""Regularizations: blocks against overfitting."""

from collections.abc import Mapping
from typing import Any, ClassVar

from scv.blocks.block import Elementwise
from scv.blocks.params import Decimal, Param, Values
from scv.blocks.shapes import Shape
from scv.message import mark


class Dropout(Elementwise):
    """torch.nn.Dropout."""

    type = "Dropout"
    category = "regularization"
    stem = "dropout"
    summary = mark("Sets random numbers to zero during training.")
    help = mark(
        "No unit can rely on a single other one, so the network overfits less. In prediction nothing is switched off."
    )
    signature: ClassVar[tuple[str, ...]] = ("p", "inplace")
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {"training": (True,)}
    functions: ClassVar[Mapping[str, tuple[str, ...]]] = {"dropout": ("p", "training", "inplace")}
    params: ClassVar[tuple[Param, ...]] = (
        Decimal(
            name="p",
            default=0.5,
            minimum=0.0,
            maximum=1.0,
            main=True,
            help=mark("The share that is set to zero."),
        ),
    )

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        kept = 1 - p["p"]
        return (f"y = x / {kept:g}  (P = {kept:g})", f"y = 0  (P = {p['p']:g})") if kept else ("y = 0",)


class Dropout2d(Dropout):
    """torch.nn.Dropout2d."""

    type = "Dropout2d"
    summary = mark("Sets random channels to zero during training.")
    help = mark(
        "Neighbouring pixels are nearly the same, so switching off single ones changes little. This "
        "switches whole channels off."
    )
    functions: ClassVar[Mapping[str, tuple[str, ...]]] = {"dropout2d": ("p", "training", "inplace")}

    def output(self, p: Values, shape: Shape) -> Shape:
        self.needs_tensor(shape)
        return shape
