"""Convolutions: small filters that slide over the image."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, ClassVar

from scv.blocks.block import BlockType, Call, Cure, RemoveHere, SetHere, ShapeError
from scv.blocks.params import Choice, Flag, Integer, Param, Size, Values, pair
from scv.blocks.receptive_field import ReceptiveField
from scv.blocks.shapes import Shape
from scv.blocks.windows import arithmetic, keeping, slide
from scv.message import mark, say

_MAX_CHANNELS = 4096
_MAX_PADDING = 64
_OUT_CHANNELS = Integer(
    name="out_channels",
    default=16,
    minimum=1,
    maximum=_MAX_CHANNELS,
    label="out",
    main=True,
    help=mark("How many filters: each makes one output channel."),
)
_GROUPS = Integer(
    name="groups",
    default=1,
    minimum=1,
    maximum=_MAX_CHANNELS,
    help=mark("Number of groups that the channels are divided into; groups are computed separately."),
)
_BIAS = Flag(name="bias", default=True, help=mark("Add one learned number to every output channel."))
_DILATION = Size(name="dilation", default=1, minimum=1, maximum=32, help=mark("Distance between the kernel's points."))


def _kernel(default: int) -> Size:
    return Size(
        name="kernel_size",
        default=default,
        minimum=1,
        maximum=64,
        label="kernel",
        main=True,
        help=mark("Height and width of each filter in pixels."),
    )


def _check_groups(type_name: str, groups: int, arriving: int, out_channels: int) -> None:
    """Raise `ShapeError` unless `groups` divides input and output channels; a cure sets a number that does."""
    if arriving % groups == 0 and out_channels % groups == 0:
        return
    fitting = max(n for n in range(1, groups + 1) if arriving % n == 0 and out_channels % n == 0)
    cures: list[Cure] = [SetHere(say("Set groups to {groups}", groups=fitting), {"groups": fitting})]
    multiple = -(-out_channels // groups) * groups
    if arriving % groups == 0 and multiple <= _MAX_CHANNELS:
        cures.append(SetHere(say("Set out_channels to {channels}", channels=multiple), {"out_channels": multiple}))
    if fitting > 1:
        cures.append(SetHere(say("Set groups to {groups}", groups=1), {"groups": 1}))
    raise ShapeError(
        "groups_do_not_divide",
        say(
            "{groups} groups of {type} must divide both the {arriving} channels that arrive "
            "and the {leaving} that leave.",
            type=type_name,
            groups=groups,
            arriving=arriving,
            leaving=out_channels,
        ),
        say(
            "{arriving} mod {groups} = {first}, {leaving} mod {groups} = {second}",
            arriving=arriving,
            leaving=out_channels,
            groups=groups,
            first=arriving % groups,
            second=out_channels % groups,
        ),
        cures,
    )


class Conv2d(BlockType):
    """torch.nn.Conv2d."""

    type = "Conv2d"
    category = "convolution"
    stem = "conv"
    summary = mark("Slides small filters over the image; each responds where it finds its pattern.")
    help = mark(
        "A filter is a small window of learned weights. It is laid on every place of the input, multiplied with what "
        "lies below and summed up: a large sum means that the pattern is there. Early convolutions learn edges and "
        "strokes, later ones combine them into parts and objects."
    )
    signature: ClassVar[tuple[str, ...]] = (
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "groups",
        "bias",
        "padding_mode",
    )
    required = 3
    inferred: ClassVar[tuple[str, ...]] = ("in_channels",)
    params: ClassVar[tuple[Param, ...]] = (
        _OUT_CHANNELS,
        _kernel(3),
        Size(
            name="stride",
            default=1,
            minimum=1,
            maximum=32,
            main=True,
            help=mark("How far the filter moves each step; 2 halves the image."),
        ),
        Size(
            name="padding",
            default=0,
            minimum=0,
            maximum=_MAX_PADDING,
            words=("same", "valid"),
            main=True,
            help=mark("Padding around the image; same keeps its size."),
        ),
        _DILATION,
        _GROUPS,
        _BIAS,
        Choice(
            name="padding_mode",
            default="zeros",
            options=("zeros", "reflect", "replicate", "circular"),
            help=mark("What the padding is filled with."),
        ),
    )

    def output(self, p: Values, shape: Shape) -> Shape:
        channels, *sides = self.needs_tensor(shape)
        _check_groups(self.type, p["groups"], channels, p["out_channels"])
        kernel, stride, dilation = pair(p["kernel_size"]), pair(p["stride"]), pair(p["dilation"])
        if p["padding"] == "same":
            if stride != (1, 1):
                raise ShapeError(
                    "same_needs_stride_1",
                    say("Padding same keeps the size, so {type} cannot also move by a stride.", type=self.type),
                    None,
                    [
                        SetHere(say("Set the stride to 1"), {"stride": 1}),
                        SetHere(
                            say("Pad by half the kernel instead"),
                            {"padding": [d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True)]},
                        ),
                    ],
                )
            self._check_mode(p, sides, [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)])
            return (p["out_channels"], *sides)
        padding = self._padding(p)
        self._check_mode(p, sides, padding)
        return (p["out_channels"], *slide(self.type, sides, kernel, stride, padding, dilation, self._most(p, sides)))

    def kept(self, p: Values, shape: Shape) -> tuple[int, int] | None:
        kernel, stride, dilation = pair(p["kernel_size"]), pair(p["stride"]), pair(p["dilation"])
        return keeping(kernel, stride, dilation, self._most(p, shape[1:]))

    @staticmethod
    def _most(p: Values, sides: Sequence[int]) -> tuple[int, int]:
        """The largest padding, height and width, that an image of these sides may have."""
        if p["padding_mode"] in ("zeros", "replicate"):
            return (_MAX_PADDING, _MAX_PADDING)
        height, width = (side - 1 if p["padding_mode"] == "reflect" else side for side in sides)
        return (min(height, _MAX_PADDING), min(width, _MAX_PADDING))

    @staticmethod
    def _padding(p: Values) -> tuple[int, int]:
        return (0, 0) if p["padding"] == "valid" else pair(p["padding"])

    def _check_mode(self, p: Values, sides: Sequence[int], rim: Sequence[int]) -> None:
        """Raise `ShapeError` where the image is too small for reflect or circular padding, which copies its pixels.

        `rim` is the padding of each side. For padding same it is the sum of both sides, and PyTorch puts the larger
        half at the end.
        """
        if p["padding_mode"] in ("zeros", "replicate"):
            return
        for side, wanted in zip(sides, rim, strict=True):
            needed = wanted - wanted // 2 if p["padding"] == "same" else wanted
            available = side - 1 if p["padding_mode"] == "reflect" else side
            if needed > available:
                raise ShapeError(
                    "padding_too_large",
                    say(
                        "A side of {side} pixels is too short for a padding of {padding} with padding_mode {mode}.",
                        padding=needed,
                        side=side,
                        mode=p["padding_mode"],
                    ),
                    say("{sum}", sum=f"{needed} > {side}" + (" − 1" if p["padding_mode"] == "reflect" else "")),
                    [SetHere(say("Pad with zeros"), {"padding_mode": "zeros"})],
                )

    def look(self, p: Values, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        kernel, dilation = pair(p["kernel_size"]), pair(p["dilation"])
        return field.through([d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)], pair(p["stride"]))

    def parameters(self, p: Values, shape: Shape) -> int:
        weights = p["out_channels"] * (shape[0] // p["groups"]) * prod(pair(p["kernel_size"]))
        return int(weights + (p["out_channels"] if p["bias"] else 0))

    def multiply_adds(self, p: Values, shape: Shape) -> int:
        per_number = shape[0] // p["groups"] * prod(pair(p["kernel_size"]))
        return prod(self.output(p, shape)) * int(per_number)

    def call(self, p: Values, shape: Shape) -> Call:
        kwargs = {"kernel_size": p["kernel_size"]}
        kwargs |= self.changed(p, "stride", "padding", "dilation", "groups", "bias", "padding_mode")
        return Call("nn.Conv2d", (shape[0], p["out_channels"]), kwargs)

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        out = self.output(p, shape)
        kernel = pair(p["kernel_size"])
        lines = [f"out = {shape[1]} × {shape[2]}"]
        if p["padding"] != "same":
            stride, padding, dilation = pair(p["stride"]), self._padding(p), pair(p["dilation"])
            lines = [
                "out = " + arithmetic(shape[1 + i], kernel[i], stride[i], padding[i], dilation[i], out[1 + i])
                for i in ((0,) if out[1] == out[2] and shape[1] == shape[2] else (0, 1))
            ]
        bias = f" + {p['out_channels']}" if p["bias"] else ""
        return (
            *lines,
            f"weights = {p['out_channels']}·({shape[0] // p['groups']}·{kernel[0]}·{kernel[1]}){bias}"
            f" = {self.parameters(p, shape):,}",
        )


class ConvTranspose2d(BlockType):
    """torch.nn.ConvTranspose2d."""

    type = "ConvTranspose2d"
    category = "convolution"
    stem = "deconv"
    summary = mark("Draws a small pattern for each number, so the image grows.")
    help = mark(
        "The reverse of a convolution: each input number adds its filter, scaled by that number, to a "
        "larger output. With stride 2 the image doubles in size. It is used where detail has to be "
        "restored."
    )
    signature: ClassVar[tuple[str, ...]] = (
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "output_padding",
        "groups",
        "bias",
        "dilation",
        "padding_mode",
    )
    required = 3
    inferred: ClassVar[tuple[str, ...]] = ("in_channels",)
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {"padding_mode": ("zeros",)}
    params: ClassVar[tuple[Param, ...]] = (
        _OUT_CHANNELS,
        _kernel(2),
        Size(
            name="stride",
            default=1,
            minimum=1,
            maximum=16,
            main=True,
            help=mark("Distance between the patterns in the output; 2 doubles the image."),
        ),
        Size(
            name="padding",
            default=0,
            minimum=0,
            maximum=64,
            main=True,
            help=mark("How many pixels are cut from each side of the output."),
        ),
        Size(
            name="output_padding",
            default=0,
            minimum=0,
            maximum=31,
            help=mark("Rows and columns added at the end, to reach an exact size."),
        ),
        _GROUPS,
        _BIAS,
        _DILATION,
    )

    def output(self, p: Values, shape: Shape) -> Shape:
        channels, *sides = self.needs_tensor(shape)
        _check_groups(self.type, p["groups"], channels, p["out_channels"])
        axes = list(
            zip(
                sides,
                *(pair(p[name]) for name in ("kernel_size", "stride", "padding", "output_padding", "dilation")),
                strict=True,
            )
        )
        for _, _, stride, _, extra, spread in axes:
            if extra >= max(stride, spread):
                raise ShapeError(
                    "output_padding_too_large",
                    say("output_padding of {type} must be smaller than its stride or dilation.", type=self.type),
                    say("{sum}", sum=f"{extra} ≥ max({stride}, {spread})"),
                    [SetHere(say("Set output_padding to 0"), {"output_padding": 0})],
                )
        out = [
            (side - 1) * stride - 2 * pad + spread * (kernel - 1) + extra + 1
            for side, kernel, stride, pad, extra, spread in axes
        ]
        if min(out) < 1:
            cures: list[Cure] = [
                SetHere(say("Set the padding to 0"), {"padding": 0}),
                RemoveHere(say("Remove {type}", type=self.type)),
            ]
            side, kernel, stride, pad, extra, spread = axes[out.index(min(out))]
            raise ShapeError(
                "padding_too_large",
                say("The padding of {type} cuts away the whole image.", type=self.type),
                say(
                    "{sum}",
                    sum=f"({side} − 1)·{stride} − 2·{pad} + {spread}·({kernel} − 1) + {extra} + 1 = {min(out)}",
                ),
                cures,
            )
        return (p["out_channels"], *out)

    def look(self, p: Values, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        kernel, stride, dilation = pair(p["kernel_size"]), pair(p["stride"]), pair(p["dilation"])
        painted = [-(-(d * (k - 1) + 1) // s) for k, s, d in zip(kernel, stride, dilation, strict=True)]
        return field.through(painted, [1 / s for s in stride])

    def parameters(self, p: Values, shape: Shape) -> int:
        weights = shape[0] * (p["out_channels"] // p["groups"]) * prod(pair(p["kernel_size"]))
        return int(weights + (p["out_channels"] if p["bias"] else 0))

    def multiply_adds(self, p: Values, shape: Shape) -> int:
        per_number = p["out_channels"] // p["groups"] * prod(pair(p["kernel_size"]))
        return prod(shape) * int(per_number)

    def call(self, p: Values, shape: Shape) -> Call:
        kwargs = {"kernel_size": p["kernel_size"]}
        kwargs |= self.changed(p, "stride", "padding", "output_padding", "groups", "bias", "dilation")
        return Call("nn.ConvTranspose2d", (shape[0], p["out_channels"]), kwargs)

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        out = self.output(p, shape)
        k, s, pad, extra, d = (
            pair(p[name])[0] for name in ("kernel_size", "stride", "padding", "output_padding", "dilation")
        )
        kernel = pair(p["kernel_size"])
        bias = f" + {p['out_channels']}" if p["bias"] else ""
        return (
            f"out = ({shape[1]} − 1)·{s} − 2·{pad} + {d}·({k} − 1) + {extra} + 1 = {out[1]}",
            f"weights = {shape[0]}·{p['out_channels'] // p['groups']}·{kernel[0]}·{kernel[1]}{bias}"
            f" = {self.parameters(p, shape):,}",
        )
