"""Blocks that only change how the numbers are arranged."""

from collections.abc import Mapping
from typing import Any, ClassVar

from scv.blocks.block import BlockType, Call, shape_line
from scv.blocks.params import Choice, Param, Size, Values, pair
from scv.blocks.receptive_field import ReceptiveField
from scv.blocks.shapes import Shape, size, written
from scv.message import mark


class Flatten(BlockType):
    """torch.nn.Flatten."""

    type = "Flatten"
    category = "shape"
    stem = "flatten"
    summary = mark("Turns the image into one long row of numbers.")
    help = mark(
        "Convolutions work on images, Linear on rows. Flatten stands between them: it changes no number, it only "
        "forgets where each one was."
    )
    signature: ClassVar[tuple[str, ...]] = ("start_dim", "end_dim")
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {"start_dim": (1,), "end_dim": (-1,)}

    def output(self, p: Values, shape: Shape) -> Shape:
        return (size(shape),)

    def call(self, p: Values, shape: Shape) -> Call:
        return Call("nn.Flatten")

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        return (f"out = {written(shape)} = {size(shape):,}",)


class Upsample(BlockType):
    """torch.nn.Upsample."""

    type = "Upsample"
    category = "shape"
    stem = "upsample"
    summary = mark("Enlarges the image without learning anything.")
    help = mark(
        "nearest repeats each pixel; bilinear and bicubic give smooth transitions. Followed by a "
        "convolution it replaces ConvTranspose2d without its checkerboard pattern."
    )
    signature: ClassVar[tuple[str, ...]] = ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor")
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "size": (None,),
        "align_corners": (False, None),
        "recompute_scale_factor": (None, False),
        "antialias": (False,),
    }
    functions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "interpolate": ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor", "antialias")
    }
    params: ClassVar[tuple[Param, ...]] = (
        Size(
            name="scale_factor",
            default=2,
            minimum=1,
            maximum=16,
            label="scale",
            main=True,
            help=mark("Factor by which height and width grow."),
        ),
        Choice(
            name="mode",
            default="nearest",
            options=("nearest", "bilinear", "bicubic"),
            main=True,
            help=mark("How the new pixels are computed."),
        ),
    )

    def output(self, p: Values, shape: Shape) -> Shape:
        channels, height, width = self.needs_tensor(shape)
        vertical, horizontal = pair(p["scale_factor"])
        return (channels, height * vertical, width * horizontal)

    def look(self, p: Values, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        points = {"nearest": 1, "bilinear": 2, "bicubic": 4}[p["mode"]]
        return field.through((points, points), [1 / scale for scale in pair(p["scale_factor"])])

    def call(self, p: Values, shape: Shape) -> Call:
        return Call("nn.Upsample", (), {"scale_factor": p["scale_factor"]} | self.changed(p, "mode"))

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        return (shape_line(shape, self.output(p, shape)),)
