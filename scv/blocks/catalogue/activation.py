"""Activations: the non-linearities that let a network be more than one large multiplication."""

from collections.abc import Mapping
from typing import Any, ClassVar

from scv.blocks.block import Call, Elementwise, SetHere, ShapeError
from scv.blocks.params import Choice, Decimal, Flag, Integer, Param, Values
from scv.blocks.shapes import Shape
from scv.message import mark, say


class ReLU(Elementwise):
    """torch.nn.ReLU."""

    type = "ReLU"
    category = "activation"
    stem = "relu"
    summary = mark("Lets positive numbers pass and makes negative ones zero.")
    help = mark(
        "Without a non-linearity between them, two layers can do no more than one. ReLU is the simplest "
        "and most common one: it is fast, and it keeps the gradient for earlier layers strong."
    )
    signature: ClassVar[tuple[str, ...]] = ("inplace",)
    functions: ClassVar[Mapping[str, tuple[str, ...]]] = {"relu": ("inplace",), "relu_": ()}

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        return ("y = max(0, x)",)


class LeakyReLU(Elementwise):
    """torch.nn.LeakyReLU."""

    type = "LeakyReLU"
    category = "activation"
    stem = "leaky_relu"
    summary = mark("Like ReLU, but lets a little of negative numbers through.")
    help = mark("A unit whose inputs are all negative can still learn, because the slope there is small but not zero.")
    signature: ClassVar[tuple[str, ...]] = ("negative_slope", "inplace")
    functions: ClassVar[Mapping[str, tuple[str, ...]]] = {"leaky_relu": ("negative_slope", "inplace")}
    params: ClassVar[tuple[Param, ...]] = (
        Decimal(
            name="negative_slope",
            default=0.01,
            minimum=0.0,
            maximum=10.0,
            label="slope",
            main=True,
            help=mark("Factor for negative numbers."),
        ),
    )

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        return (f"y = x > 0 ? x : {p['negative_slope']:g}·x",)


class ELU(Elementwise):
    """torch.nn.ELU."""

    type = "ELU"
    category = "activation"
    stem = "elu"
    summary = mark("Like ReLU, but negative numbers approach a minimum smoothly.")
    help = mark("Its outputs are centred nearer to zero than those of ReLU, which can help deep networks learn.")
    signature: ClassVar[tuple[str, ...]] = ("alpha", "inplace")
    functions: ClassVar[Mapping[str, tuple[str, ...]]] = {"elu": ("alpha", "inplace")}
    params: ClassVar[tuple[Param, ...]] = (
        Decimal(
            name="alpha",
            default=1.0,
            minimum=0.0,
            maximum=100.0,
            main=True,
            help=mark("The minimum is minus this number."),
        ),
    )

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        return (f"y = x > 0 ? x : {p['alpha']:g}·(exp(x) − 1)",)


class PReLU(Elementwise):
    """torch.nn.PReLU."""

    type = "PReLU"
    category = "activation"
    stem = "prelu"
    summary = mark("Like LeakyReLU, but the slope is learned.")
    help = mark("The network learns the slope for negative numbers, one for all or one per channel.")
    signature: ClassVar[tuple[str, ...]] = ("num_parameters", "init")
    params: ClassVar[tuple[Param, ...]] = (
        Decimal(
            name="init",
            default=0.25,
            minimum=-10.0,
            maximum=10.0,
            main=True,
            help=mark("The initial slope."),
        ),
        Flag(name="per_channel", default=False, help=mark("Learn one slope for each channel.")),
    )

    def parameters(self, p: Values, shape: Shape) -> int:
        return shape[0] if p["per_channel"] else 1

    def call(self, p: Values, shape: Shape) -> Call:
        # For a single channel both are the same, so the shorter one is written.
        kwargs = {"num_parameters": shape[0]} if p["per_channel"] and shape[0] > 1 else {}
        return Call("nn.PReLU", (), kwargs | self.changed(p, "init"))

    def params_of(self, arguments: Values) -> dict[str, Any]:
        slopes = arguments.get("num_parameters", 1)
        others = {name: value for name, value in arguments.items() if name != "num_parameters"}
        return super().params_of(others) | ({} if slopes == 1 else {"per_channel": True})

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        return ("y = x > 0 ? x : a·x", f"a: {self.parameters(p, shape):,}")


class Sigmoid(Elementwise):
    """torch.nn.Sigmoid."""

    type = "Sigmoid"
    category = "activation"
    stem = "sigmoid"
    summary = mark("Squeezes every number between 0 and 1.")
    help = mark(
        "Far from zero its curve is flat, so deep networks of it learn slowly. It works as a gate: 0 is "
        "closed, 1 is open."
    )
    functions: ClassVar[Mapping[str, tuple[str, ...]]] = {"sigmoid": ()}

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        return ("y = 1 / (1 + exp(−x))",)


class Tanh(Elementwise):
    """torch.nn.Tanh."""

    type = "Tanh"
    category = "activation"
    stem = "tanh"
    summary = mark("Squeezes every number between −1 and 1.")
    help = mark("Like Sigmoid but centred on zero. The first convolutional networks used it.")
    functions: ClassVar[Mapping[str, tuple[str, ...]]] = {"tanh": ()}

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        return ("y = (exp(x) − exp(−x)) / (exp(x) + exp(−x))",)


class GELU(Elementwise):
    """torch.nn.GELU."""

    type = "GELU"
    category = "activation"
    stem = "gelu"
    summary = mark("A smooth relative of ReLU.")
    help = mark(
        "It multiplies each number by the probability that a random number of the normal "
        "distribution is smaller; transformers use it."
    )
    signature: ClassVar[tuple[str, ...]] = ("approximate",)
    functions: ClassVar[Mapping[str, tuple[str, ...]]] = {"gelu": ("approximate",)}
    params: ClassVar[tuple[Param, ...]] = (
        Choice(
            name="approximate",
            default="none",
            options=("none", "tanh"),
            help=mark("none computes it exactly, tanh by a faster formula."),
        ),
    )

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        return ("y = x·Φ(x)",)


class SiLU(Elementwise):
    """torch.nn.SiLU."""

    type = "SiLU"
    category = "activation"
    stem = "silu"
    summary = mark("A number times its own Sigmoid: smooth, and a little below zero on the left.")
    help = mark("Also called Swish. Networks that were found by search, such as EfficientNet, use it instead of ReLU.")
    signature: ClassVar[tuple[str, ...]] = ("inplace",)
    functions: ClassVar[Mapping[str, tuple[str, ...]]] = {"silu": ("inplace",)}

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        return ("y = x / (1 + exp(−x))",)


class Hardswish(Elementwise):
    """torch.nn.Hardswish."""

    type = "Hardswish"
    category = "activation"
    stem = "hardswish"
    summary = mark("SiLU made of straight lines, fast on small devices.")
    help = mark("Nearly the same curve without an exponential, which phones compute faster. MobileNetV3 uses it.")
    signature: ClassVar[tuple[str, ...]] = ("inplace",)
    functions: ClassVar[Mapping[str, tuple[str, ...]]] = {"hardswish": ("inplace",)}

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        return ("y = x·min(max(x + 3, 0), 6) / 6",)


class _Normalizing(Elementwise):
    """Softmax and LogSoftmax: both normalize the numbers along one dimension."""

    category = "activation"
    signature: ClassVar[tuple[str, ...]] = ("dim",)
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {"_stacklevel": (3,)}
    params: ClassVar[tuple[Param, ...]] = (
        Integer(
            name="dim",
            default=1,
            minimum=-3,
            maximum=3,
            main=True,
            help=mark("The dimension whose numbers add up to 1: 1 is the classes or channels."),
        ),
    )

    def output(self, p: Values, shape: Shape) -> Shape:
        rank = len(shape) + 1
        dim = p["dim"] if p["dim"] >= 0 else p["dim"] + rank
        if 1 <= dim < rank:
            return shape
        cure = SetHere(say("Set dim to 1"), {"dim": 1})
        if dim == 0:
            raise ShapeError(
                "dim_is_batch",
                say(
                    "dim {dim} of {type} is the batch: images would compete with each other.",
                    dim=p["dim"],
                    type=self.type,
                ),
                None,
                [cure],
            )
        raise ShapeError(
            "dim_out_of_range",
            say(
                "dim {dim} of {type} does not exist: the dimensions after the batch are 1 to {last}.",
                dim=p["dim"],
                type=self.type,
                last=rank - 1,
            ),
            None,
            [cure],
        )

    def call(self, p: Values, shape: Shape) -> Call:
        return Call(f"nn.{self.type}", (), {"dim": p["dim"]})

    def params_of(self, arguments: Values) -> dict[str, Any]:
        # Without a dim PyTorch takes 1 for a batch of vectors or images.
        return {name: value for name, value in super().params_of(arguments).items() if value is not None}


class Softmax(_Normalizing):
    """torch.nn.Softmax."""

    type = "Softmax"
    stem = "softmax"
    summary = mark("Turns numbers into shares that add up to 1.")
    help = mark(
        "The largest number gets the largest share. Training applies it by itself inside the loss, so a network "
        "that is trained here needs none at its end."
    )
    functions: ClassVar[Mapping[str, tuple[str, ...]]] = {"softmax": ("dim", "_stacklevel", "dtype")}

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        return ("yᵢ = exp(xᵢ) / Σ exp(xⱼ)",)


class LogSoftmax(_Normalizing):
    """torch.nn.LogSoftmax."""

    type = "LogSoftmax"
    stem = "log_softmax"
    summary = mark("The logarithm of Softmax.")
    help = mark(
        "Logarithms are easier to compute with than shares. The loss applies this by itself; a second "
        "time does no harm."
    )
    functions: ClassVar[Mapping[str, tuple[str, ...]]] = {"log_softmax": ("dim", "_stacklevel", "dtype")}

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        return ("yᵢ = xᵢ − log Σ exp(xⱼ)",)
