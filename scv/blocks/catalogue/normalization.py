"""Normalizations: keep the numbers in a range where learning works."""

from collections.abc import Mapping
from math import prod
from typing import Any, ClassVar

from scv.blocks.block import BlockType, Call, RemoveHere, ReplaceHere, SetHere, ShapeError
from scv.blocks.params import Decimal, Flag, Integer, Param, Values
from scv.blocks.shapes import Shape, is_tensor, size, written
from scv.message import mark, say

_EPS = Decimal(
    name="eps",
    default=1e-5,
    minimum=1e-12,
    maximum=1.0,
    help=mark("A small number that avoids dividing by zero."),
)
_AFFINE = Flag(name="affine", default=True, help=mark("Learn a scale and a shift for each channel."))


class _Normalization(BlockType):
    """What all have in common: the shape stays, and one multiply-add a number."""

    category = "normalization"
    stem = "norm"

    def output(self, p: Values, shape: Shape) -> Shape:
        return shape

    def multiply_adds(self, p: Values, shape: Shape) -> int:
        # In prediction, mean, standard deviation, scale and shift combine into one factor and one summand.
        return prod(shape)


class _BatchNorm(_Normalization):
    """What BatchNorm1d and BatchNorm2d have in common."""

    signature: ClassVar[tuple[str, ...]] = ("num_features", "eps", "momentum", "affine", "track_running_stats")
    required = 1
    inferred: ClassVar[tuple[str, ...]] = ("num_features",)
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {"track_running_stats": (True,), "bias": (True,)}
    params: ClassVar[tuple[Param, ...]] = (
        _EPS,
        Decimal(
            name="momentum",
            default=0.1,
            minimum=0.0,
            maximum=1.0,
            help=mark("Weight of the newest batch in the running mean."),
        ),
        _AFFINE,
    )

    def parameters(self, p: Values, shape: Shape) -> int:
        return 2 * shape[0] if p["affine"] else 0

    def call(self, p: Values, shape: Shape) -> Call:
        return Call(f"nn.{self.type}", (shape[0],), self.changed(p, "eps", "momentum", "affine"))

    def replaced_by(self, other: str, p: Values) -> ReplaceHere:
        """The cure that puts the other one in its place, with the same parameters."""
        params = self.changed(p, "eps", "momentum", "affine")
        return ReplaceHere(say("Use {type} instead", type=other), ((other, params),))

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        learned = ("y = γ·(x − mean) / √(var + ε) + β", f"γ, β: 2·{shape[0]} = {2 * shape[0]:,}")
        return learned if p["affine"] else ("y = (x − mean) / √(var + ε)",)


class BatchNorm2d(_BatchNorm):
    """torch.nn.BatchNorm2d."""

    type = "BatchNorm2d"
    summary = mark("Brings every channel to mean 0 and spread 1, over the batch.")
    help = mark(
        "In training it measures mean and spread of each channel over the batch and keeps a running "
        "mean for prediction. Training becomes faster and less sensitive to the settings. Two learned "
        "numbers per channel can undo it where that is better."
    )

    def output(self, p: Values, shape: Shape) -> Shape:
        if is_tensor(shape):
            return shape
        raise ShapeError(
            "needs_tensor",
            say("{type} needs a tensor, but a vector of {size} numbers arrives.", type=self.type, size=size(shape)),
            None,
            [self.replaced_by("BatchNorm1d", p)],
        )


class BatchNorm1d(_BatchNorm):
    """torch.nn.BatchNorm1d."""

    type = "BatchNorm1d"
    summary = mark("BatchNorm2d for vectors: every number to mean 0 and spread 1, over the batch.")
    help = mark("Use it between two Linear blocks, like BatchNorm2d between two convolutions.")

    def output(self, p: Values, shape: Shape) -> Shape:
        if not is_tensor(shape):
            return shape
        raise ShapeError(
            "needs_vector",
            say("{type} needs a vector, but a {shape} tensor arrives.", type=self.type, shape=written(shape)),
            None,
            [self.replaced_by("BatchNorm2d", p)],
        )


class GroupNorm(_Normalization):
    """torch.nn.GroupNorm."""

    type = "GroupNorm"
    summary = mark("Brings groups of channels to mean 0 and spread 1, image by image.")
    help = mark(
        "It does not use the other images of the batch, so it works the same in training and "
        "prediction, with any batch size."
    )
    signature: ClassVar[tuple[str, ...]] = ("num_groups", "num_channels", "eps", "affine")
    required = 2
    inferred: ClassVar[tuple[str, ...]] = ("num_channels",)
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {"bias": (True,)}
    params: ClassVar[tuple[Param, ...]] = (
        Integer(
            name="num_groups",
            default=4,
            minimum=1,
            maximum=4096,
            label="groups",
            main=True,
            help=mark("Into how many groups the channels are divided."),
        ),
        _EPS,
        _AFFINE,
    )

    def output(self, p: Values, shape: Shape) -> Shape:
        groups, channels = p["num_groups"], shape[0]
        fitting = max((n for n in range(1, groups) if channels % n == 0), default=0)
        fewer = SetHere(say("Set groups to {groups}", groups=fitting), {"num_groups": fitting})
        if channels % groups:
            raise ShapeError(
                "groups_do_not_divide",
                say(
                    "{groups} groups of {type} do not divide the {channels} channels that arrive.",
                    groups=groups,
                    type=self.type,
                    channels=channels,
                ),
                say("{channels} mod {groups} = {rest}", channels=channels, groups=groups, rest=channels % groups),
                [fewer],
            )
        if size(shape) == groups:  # torch refuses it as well, but only when a single image comes
            raise ShapeError(
                "group_of_one",
                say("Each group of {type} holds a single number, which always becomes 0.", type=self.type),
                say("{numbers} / {groups} = 1", numbers=size(shape), groups=groups),
                [fewer] if fitting else [RemoveHere(say("Remove {type}", type=self.type))],
            )
        return shape

    def parameters(self, p: Values, shape: Shape) -> int:
        return 2 * shape[0] if p["affine"] else 0

    def call(self, p: Values, shape: Shape) -> Call:
        return Call("nn.GroupNorm", (p["num_groups"], shape[0]), self.changed(p, "eps", "affine"))

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        groups = p["num_groups"]
        return ("y = γ·(x − mean) / √(var + ε) + β", f"{shape[0]} / {groups} = {shape[0] // groups}")


class LayerNorm(_Normalization):
    """torch.nn.LayerNorm, over everything that one image holds at this place."""

    type = "LayerNorm"
    summary = mark("Brings all numbers of an image together to mean 0 and spread 1.")
    help = mark("Each image is normalized by itself, over all its numbers. Each number has a learned scale and shift.")
    signature: ClassVar[tuple[str, ...]] = ("normalized_shape", "eps", "elementwise_affine", "bias")
    required = 1
    inferred: ClassVar[tuple[str, ...]] = ("normalized_shape",)
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {"bias": (True,)}
    params: ClassVar[tuple[Param, ...]] = (
        _EPS,
        Flag(name="elementwise_affine", default=True, help=mark("Learn a scale and a shift for each number.")),
    )

    def parameters(self, p: Values, shape: Shape) -> int:
        return 2 * prod(shape) if p["elementwise_affine"] else 0

    def call(self, p: Values, shape: Shape) -> Call:
        normalized = shape if len(shape) > 1 else shape[0]
        return Call("nn.LayerNorm", (normalized,), self.changed(p, "eps", "elementwise_affine"))

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        return ("y = γ·(x − mean) / √(var + ε) + β", f"mean, var: {size(shape):,}")
