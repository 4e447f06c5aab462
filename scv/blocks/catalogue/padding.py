"""Paddings: blocks that add pixels around the image."""

from typing import ClassVar

from scv.blocks.block import BlockType, Call, RemoveHere, SetHere, ShapeError
from scv.blocks.params import Decimal, Param, Sides, Values, sides
from scv.blocks.shapes import Shape
from scv.message import mark, say

_PADDING = Sides(
    name="padding",
    default=1,
    minimum=0,
    maximum=256,
    main=True,
    help=mark("Pixels added at every side."),
)


class _Pad(BlockType):
    """What the paddings have in common: they differ only in the values of the added pixels."""

    category = "padding"
    stem = "pad"
    signature: ClassVar[tuple[str, ...]] = ("padding",)
    required = 1
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
    summary = mark("Pads the image with zeros.")
    help = mark("Zeros are the simplest padding: filters can then be centred on edge pixels, too.")


class _PadFromImage(_Pad):
    """Paddings that copy pixels of the image: at most as many as its side has, less `spared`."""

    spared: ClassVar[int]

    def output(self, p: Values, shape: Shape) -> Shape:
        _, height, width = self.needs_tensor(shape)
        wanted = sides(p["padding"])
        most = (width - self.spared, width - self.spared, height - self.spared, height - self.spared)
        if any(side > limit for side, limit in zip(wanted, most, strict=True)):
            raise ShapeError(
                "padding_too_large",
                say(
                    "{type} takes its padding from the image, so at {height} × {width} it can be at most {most} wide.",
                    type=self.type,
                    height=height,
                    width=width,
                    most=min(most),
                ),
                None,
                [
                    SetHere(say("Set the padding to what fits"), {"padding": list(map(min, wanted, most))}),
                    RemoveHere(say("Remove {type}", type=self.type)),
                ],
            )
        return super().output(p, shape)


class ReflectionPad2d(_PadFromImage):
    """torch.nn.ReflectionPad2d."""

    type = "ReflectionPad2d"
    spared = 1
    summary = mark("Pads the image with its mirror image.")
    help = mark(
        "The image is mirrored at its edge pixels, so the padding continues the image and no artificial edge appears."
    )


class ReplicationPad2d(_Pad):
    """torch.nn.ReplicationPad2d."""

    type = "ReplicationPad2d"
    summary = mark("Pads the image with its edge pixels.")
    help = mark("Each padding pixel copies the nearest pixel of the image.")


class ConstantPad2d(_Pad):
    """torch.nn.ConstantPad2d."""

    type = "ConstantPad2d"
    summary = mark("Pads the image with one value.")
    help = mark("Like ZeroPad2d, with a number of your choice as padding.")
    signature: ClassVar[tuple[str, ...]] = ("padding", "value")
    required = 2
    params: ClassVar[tuple[Param, ...]] = (
        _PADDING,
        Decimal(
            name="value",
            default=0.0,
            minimum=-1e6,
            maximum=1e6,
            main=True,
            help=mark("The padding's value."),
        ),
    )

    def call(self, p: Values, shape: Shape) -> Call:
        return Call("nn.ConstantPad2d", (p["padding"], p["value"]))


class CircularPad2d(_PadFromImage):
    """torch.nn.CircularPad2d."""

    type = "CircularPad2d"
    spared = 0
    summary = mark("Pads each side with pixels of the opposite side.")
    help = mark(
        "The padding on one side continues with the pixels of the opposite side, as on a globe or in a "
        "repeating pattern."
    )
