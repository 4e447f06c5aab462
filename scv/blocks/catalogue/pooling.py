"""Pools: many numbers become one, so the image shrinks."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from scv.blocks.block import BlockType, Call, SetHere, ShapeError, shape_line
from scv.blocks.params import Flag, Param, Size, Values, pair
from scv.blocks.receptive_field import ReceptiveField
from scv.blocks.shapes import Shape
from scv.blocks.windows import arithmetic, keeping, slide
from scv.message import mark, say

_KERNEL = Size(
    name="kernel_size",
    default=2,
    minimum=1,
    maximum=64,
    label="kernel",
    main=True,
    help=mark("Height and width of the window."),
)
_STRIDE = Size(
    name="stride",
    default=None,
    minimum=1,
    maximum=64,
    empty=True,
    main=True,
    help=mark("How far the window moves; empty means by its own size."),
)
_PADDING = Size(
    name="padding",
    default=0,
    minimum=0,
    maximum=32,
    help=mark("Padding around the image, at most half the kernel."),
)
_CEIL_MODE = Flag(
    name="ceil_mode", default=False, help=mark("Also use a last window that is only partly inside the image.")
)


class _SlidingPool(BlockType):
    """What MaxPool2d and AvgPool2d have in common."""

    category = "pooling"
    stem = "pool"
    required = 1

    def output(self, p: Values, shape: Shape) -> Shape:
        channels, *sides = self.needs_tensor(shape)
        kernel, stride, padding, dilation = self._window(p)
        # torch 2.13 limits the padding to half the kernel size, whatever the dilation.
        if any(pad > k // 2 for pad, k in zip(padding, kernel, strict=True)):
            raise ShapeError(
                "padding_too_large",
                say("The padding of {type} may be at most half its kernel.", type=self.type),
                say(
                    "{sum}",
                    sum=f"{padding[0]} > {kernel[0]} / 2"
                    if padding[0] > kernel[0] // 2
                    else f"{padding[1]} > {kernel[1]} / 2",
                ),
                [SetHere(say("Set the padding to 0"), {"padding": 0})],
            )
        return (
            channels,
            *slide(self.type, sides, kernel, stride, padding, dilation, self._most(kernel), ceil=p["ceil_mode"]),
        )

    def kept(self, p: Values, shape: Shape) -> tuple[int, int] | None:
        kernel, stride, _, dilation = self._window(p)
        return keeping(kernel, stride, dilation, self._most(kernel))

    @staticmethod
    def _most(kernel: tuple[int, int]) -> tuple[int, int]:
        return (kernel[0] // 2, kernel[1] // 2)

    def look(self, p: Values, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        kernel, stride, _, dilation = self._window(p)
        return field.through([d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)], stride)

    @staticmethod
    def _window(p: Values) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]:
        kernel = pair(p["kernel_size"])
        stride = kernel if p["stride"] is None else pair(p["stride"])
        return kernel, stride, pair(p["padding"]), pair(p.get("dilation", 1))

    def call(self, p: Values, shape: Shape) -> Call:
        names = [param.name for param in self.params if param.name != "kernel_size"]
        return Call(f"nn.{self.type}", (p["kernel_size"],), self.changed(p, *names))

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        out = self.output(p, shape)
        if p["ceil_mode"]:
            return (shape_line(shape, out),)
        kernel, stride, padding, dilation = self._window(p)
        axes = (0,) if out[1] == out[2] and shape[1] == shape[2] else (0, 1)
        return tuple(
            "out = " + arithmetic(shape[1 + i], kernel[i], stride[i], padding[i], dilation[i], out[1 + i]) for i in axes
        )


class MaxPool2d(_SlidingPool):
    """torch.nn.MaxPool2d."""

    type = "MaxPool2d"
    summary = mark("Keeps the largest number of each small window.")
    help = mark(
        "A window slides over each channel and only its largest number is kept. What was found still "
        "counts; its exact place matters less. The image shrinks, so later layers are faster and have a "
        "larger receptive field."
    )
    signature: ClassVar[tuple[str, ...]] = (
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "return_indices",
        "ceil_mode",
    )
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {"return_indices": (False,)}
    functions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "max_pool2d": ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
    }
    params: ClassVar[tuple[Param, ...]] = (
        _KERNEL,
        _STRIDE,
        _PADDING,
        Size(
            name="dilation",
            default=1,
            minimum=1,
            maximum=32,
            help=mark("Distance between the window's points."),
        ),
        _CEIL_MODE,
    )


class AvgPool2d(_SlidingPool):
    """torch.nn.AvgPool2d."""

    type = "AvgPool2d"
    summary = mark("Averages every small window.")
    help = mark(
        "A window slides over each channel and its mean is kept: the image becomes smaller and "
        "smoother. The first convolutional networks worked this way."
    )
    signature: ClassVar[tuple[str, ...]] = (
        "kernel_size",
        "stride",
        "padding",
        "ceil_mode",
        "count_include_pad",
        "divisor_override",
    )
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {"divisor_override": (None,)}
    functions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "avg_pool2d": ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
    }
    params: ClassVar[tuple[Param, ...]] = (
        _KERNEL,
        _STRIDE,
        _PADDING,
        _CEIL_MODE,
        Flag(
            name="count_include_pad",
            default=True,
            help=mark("Count the padding's zeros in the mean."),
        ),
    )


class _AdaptivePool(BlockType):
    """What the adaptive pools have in common: the result's size is given, the windows follow from it."""

    category = "pooling"
    stem = "pool"
    required = 1
    params: ClassVar[tuple[Param, ...]] = (
        Size(
            name="output_size",
            default=1,
            minimum=1,
            maximum=256,
            label="size",
            main=True,
            help=mark("Height and width of the result."),
        ),
    )

    def output(self, p: Values, shape: Shape) -> Shape:
        channels, _, _ = self.needs_tensor(shape)
        return (channels, *pair(p["output_size"]))

    def look(self, p: Values, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        ratios = [side / out for side, out in zip(shape[1:], pair(p["output_size"]), strict=True)]
        return field.through([max(1, -(-ratio // 1)) for ratio in ratios], ratios)

    def call(self, p: Values, shape: Shape) -> Call:
        return Call(f"nn.{self.type}", (p["output_size"],))

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        out = self.output(p, shape)
        if shape[1] % out[1] or shape[2] % out[2]:
            return (shape_line(shape, out),)
        return (shape_line(shape, out), self.one_window(shape[1] // out[1], shape[2] // out[2]))

    @abstractmethod
    def one_window(self, height: int, width: int) -> str:
        """The formula for one window of this height and width."""


class AdaptiveAvgPool2d(_AdaptivePool):
    """torch.nn.AdaptiveAvgPool2d."""

    type = "AdaptiveAvgPool2d"
    summary = mark("Averages down to a size of your choice.")
    help = mark(
        "Divides the image into the given number of regions and averages each. Size 1 leaves one number "
        "per channel, which keeps the network small and independent of the image size."
    )
    signature: ClassVar[tuple[str, ...]] = ("output_size",)
    functions: ClassVar[Mapping[str, tuple[str, ...]]] = {"adaptive_avg_pool2d": ("output_size",)}

    def one_window(self, height: int, width: int) -> str:
        return f"y = 1/({height}·{width}) · Σ x"


class AdaptiveMaxPool2d(_AdaptivePool):
    """torch.nn.AdaptiveMaxPool2d."""

    type = "AdaptiveMaxPool2d"
    summary = mark("Keeps the largest number of each region; you choose the output size.")
    help = mark(
        "Divides the image into the given number of regions and keeps the largest number of each: what "
        "counts is whether a pattern is there, not how often."
    )
    signature: ClassVar[tuple[str, ...]] = ("output_size", "return_indices")
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {"return_indices": (False,)}
    functions: ClassVar[Mapping[str, tuple[str, ...]]] = {"adaptive_max_pool2d": ("output_size", "return_indices")}

    def one_window(self, height: int, width: int) -> str:
        return f"y = max(x₁ … x{height * width})"
