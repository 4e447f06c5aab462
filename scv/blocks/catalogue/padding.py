"""Paddings: a rim around the picture."""

from typing import ClassVar

from scv.blocks.block import BlockType, Call, RemoveHere, SetHere, ShapeError
from scv.blocks.message import mark, say
from scv.blocks.params import Decimal, Param, Sides, Values, sides
from scv.blocks.shapes import Shape

_PADDING = Sides(
    name="padding",
    default=1,
    minimum=0,
    maximum=256,
    main=True,
    help=mark("Pixels added at every side."),
)


class _Pad(BlockType):
    """What the paddings have in common: only what fills the rim differs."""

    category = "padding"
    stem = "pad"
    params: ClassVar[tuple[Param, ...]] = (_PADDING,)

    def output(self, p: Values, shape: Shape) -> Shape:
        channels, height, width = self.needs_tensor(shape)
        left, right, top, bottom = sides(p["padding"])
        return (channels, height + top + bottom, width + left + right)

    def call(self, p: Values, shape: Shape) -> Call:
        return Call(f"nn.{self.type}", (p["padding"],))

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        left, right, top, bottom = sides(p["padding"])
        out = self.output(p, shape)
        return (
            f"height = {top} + {shape[1]} + {bottom} = {out[1]}",
            f"width = {left} + {shape[2]} + {right} = {out[2]}",
        )


class ZeroPad2d(_Pad):
    """torch.nn.ZeroPad2d."""

    type = "ZeroPad2d"
    summary = mark("Adds a rim of zeros.")
    help = mark("Zeros are the simplest rim: filters can then be centred on the edge pixels as well.")


class ReflectionPad2d(_Pad):
    """torch.nn.ReflectionPad2d."""

    type = "ReflectionPad2d"
    summary = mark("Adds a rim that mirrors the picture.")
    help = mark(
        "The picture is mirrored at its edge pixels, so the rim continues what is there and no artificial edge appears."
    )

    def output(self, p: Values, shape: Shape) -> Shape:
        _, height, width = self.needs_tensor(shape)
        left, right, top, bottom = sides(p["padding"])
        if max(left, right) >= width or max(top, bottom) >= height:
            fitting = [
                min(left, width - 1),
                min(right, width - 1),
                min(top, height - 1),
                min(bottom, height - 1),
            ]
            raise ShapeError(
                "padding_too_large",
                say(
                    "{type} mirrors the picture, so its padding must be smaller than each side, "
                    "here {height} × {width}.",
                    type=self.type,
                    height=height,
                    width=width,
                ),
                None,
                [
                    SetHere(say("Set the padding to what fits"), {"padding": fitting}),
                    RemoveHere(say("Remove {type}", type=self.type)),
                ],
            )
        return super().output(p, shape)


class ReplicationPad2d(_Pad):
    """torch.nn.ReplicationPad2d."""

    type = "ReplicationPad2d"
    summary = mark("Adds a rim that repeats the edge pixels.")
    help = mark("Every pixel of the rim copies the nearest one of the picture.")


class ConstantPad2d(_Pad):
    """torch.nn.ConstantPad2d."""

    type = "ConstantPad2d"
    summary = mark("Adds a rim of one value.")
    help = mark("Like ZeroPad2d, with a number of your choice in the rim.")
    params: ClassVar[tuple[Param, ...]] = (
        _PADDING,
        Decimal(
            name="value",
            default=0.0,
            minimum=-1e6,
            maximum=1e6,
            main=True,
            help=mark("The number in the rim."),
        ),
    )

    def call(self, p: Values, shape: Shape) -> Call:
        return Call("nn.ConstantPad2d", (p["padding"], p["value"]))
