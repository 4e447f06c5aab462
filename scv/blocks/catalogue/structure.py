"""Blocks that hold others, or several layers in one: what deep networks are built of."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from scv.blocks.block import REGISTRY, AppendToBranch, BlockType, Call, Container, Cure, SetHere, ShapeError
from scv.blocks.params import Choice, Integer, Param, ParamError, Size, Values
from scv.blocks.shapes import Shape, is_tensor, size, written
from scv.message import Message, foreign, mark, say

_MAX_REDUCTION = 64

Blocks = tuple[tuple[str, dict[str, Any]], ...]
"""New blocks in a row, each a type and its parameters."""


class Residual(Container):
    """y = main(x) + shortcut(x). He et al. 2016, Deep Residual Learning for Image Recognition."""

    type = "Residual"
    stem = "residual"
    fewest = 2
    most = 2
    summary = mark("Adds the output of its blocks to its input.")
    help = mark(
        "The main branch only has to learn the change; the shortcut passes the rest on. That lets very "
        "deep networks learn. Where the shapes differ, a 1 × 1 convolution on the shortcut fits them."
    )
    signature: ClassVar[tuple[str, ...]] = ("main", "shortcut")
    required = 2
    helper = '''\
class Residual(nn.Module):
    """Adds what the main branch and the shortcut give."""

    def __init__(self, main, shortcut):
        super().__init__()
        self.main = main
        self.shortcut = shortcut

    def forward(self, x):
        return self.main(x) + self.shortcut(x)
'''

    def branch_title(self, number: int) -> Message:
        return say("shortcut") if number else say("main")

    def join(self, p: Values, outputs: Sequence[Shape]) -> Shape:
        main, shortcut = outputs
        if main == shortcut:
            return main
        raise ShapeError(
            "branches_differ",
            say("Residual adds its branches, so both must have the same output shape."),
            say(
                "main {main}, shortcut {shortcut}",
                main=written(main),
                shortcut=written(shortcut),
            ),
            _flattened(outputs)
            if is_tensor(main) and not is_tensor(shortcut)
            else _one_to_another(outputs, 1, fitting, self._fit_label),
        )

    @staticmethod
    def _fit_label(branch: int, wanted: Shape) -> Message:
        if branch == 0:
            return say("Fit the main branch to {shape}", shape=written(wanted))
        return say("Fit the shortcut to {shape}", shape=written(wanted))

    def wrap(self, p: Values, branches: Sequence[Call]) -> Call:
        return Call("Residual", (), {"main": branches[0], "shortcut": branches[1]})

    def unwrap(self, args: Sequence[Any], kwargs: Values) -> tuple[tuple[Any, ...], dict[str, Any]]:
        others = self.arguments(args, kwargs)
        return (others.pop("main"), others.pop("shortcut")), others

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        return ("y = main(x) + shortcut(x)",)


class Parallel(Container):
    """y = [f1(x), f2(x), ...]. Szegedy et al. 2015, Going Deeper with Convolutions."""

    type = "Parallel"
    stem = "parallel"
    fewest = 2
    most = 6
    summary = mark("Sends the same input through several branches and combines their outputs.")
    help = mark(
        "Each branch looks at the input in its own way, with small and large filters for instance. Concatenated, their "
        "channels stand side by side, as in Inception and DenseNet; added, they must have the same shape."
    )
    params: ClassVar[tuple[Param, ...]] = (
        Choice(
            name="join",
            default="concatenate",
            options=("concatenate", "add"),
            main=True,
            help=mark("Concatenate the channels, or add the numbers."),
        ),
    )
    helper = '''\
class Parallel(nn.Module):
    """Puts the answers of several branches to the same input together."""

    def __init__(self, *branches, join="concatenate"):
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.join = join

    def forward(self, x):
        answers = [branch(x) for branch in self.branches]
        return sum(answers) if self.join == "add" else torch.cat(answers, dim=1)
'''

    def branch_title(self, number: int) -> Message:
        return say("branch {number}", number=number + 1)

    def join(self, p: Values, outputs: Sequence[Shape]) -> Shape:
        first = outputs[0]
        if p["join"] == "add":
            for number, shape in enumerate(outputs):
                if is_tensor(first) and not is_tensor(shape):
                    raise self._differ(outputs, _flattened(outputs))
                if shape != first:
                    raise self._differ(outputs, _one_to_another(outputs, number, fitting, self._fit_label))
            return first
        for number, shape in enumerate(outputs):
            if len(shape) != len(first):
                raise self._differ(outputs, _flattened(outputs))
            if shape[1:] != first[1:]:
                raise self._differ(outputs, _one_to_another(outputs, number, _pooling, self._pool_label))
        return (sum(shape[0] for shape in outputs), *first[1:])

    @staticmethod
    def _fit_label(branch: int, wanted: Shape) -> Message:
        return say("Fit branch {number} to {shape}", number=branch + 1, shape=written(wanted))

    @staticmethod
    def _pool_label(branch: int, wanted: Shape) -> Message:
        return say("Pool branch {number} to {shape}", number=branch + 1, shape=written(wanted[1:]))

    @staticmethod
    def _differ(outputs: Sequence[Shape], cures: list[Cure]) -> ShapeError:
        return ShapeError(
            "branches_differ",
            say("The branches of Parallel do not go together."),
            say("{shapes}", shapes=", ".join(written(shape) for shape in outputs)),
            cures,
        )

    def wrap(self, p: Values, branches: Sequence[Call]) -> Call:
        return Call("Parallel", tuple(branches), self.changed(p, "join"))

    def unwrap(self, args: Sequence[Any], kwargs: Values) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return tuple(args), dict(kwargs)

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        return ("y = f₁(x) + f₂(x) + …",) if p["join"] == "add" else ("y = [f₁(x), f₂(x), …]",)


class SqueezeExcite(BlockType):
    """Channel attention. Hu et al. 2018, Squeeze-and-Excitation Networks."""

    type = "SqueezeExcite"
    category = "structure"
    stem = "squeeze_excite"
    summary = mark("Turns channels up or down, by what the whole image shows.")
    help = mark(
        "Every channel is averaged to one number; two small layers read these and decide, channel by channel, how "
        "much of it goes on. It costs little and often helps."
    )
    signature: ClassVar[tuple[str, ...]] = ("channels", "hidden")
    required = 2
    params: ClassVar[tuple[Param, ...]] = (
        Integer(
            name="reduction",
            default=4,
            minimum=1,
            maximum=_MAX_REDUCTION,
            main=True,
            help=mark("Channels divided by the size of the layer in between."),
        ),
    )
    helper = '''\
class SqueezeExcite(nn.Module):
    """Scales every channel by a gate that is computed from the means of all channels."""

    def __init__(self, channels, hidden):
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, hidden, kernel_size=1),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, kernel_size=1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return x * self.gate(x)
'''

    def output(self, p: Values, shape: Shape) -> Shape:
        self.needs_tensor(shape)
        if p["reduction"] > shape[0]:
            raise ShapeError(
                "reduction_too_large",
                say(
                    "A reduction of {reduction} leaves nothing of {channels} channels.",
                    reduction=p["reduction"],
                    channels=shape[0],
                ),
                say("{channels} / {reduction} < 1", channels=shape[0], reduction=p["reduction"]),
                [SetHere(say("Set the reduction to {value}", value=shape[0]), {"reduction": shape[0]})],
            )
        return shape

    def _hidden(self, p: Values, shape: Shape) -> int:
        return int(shape[0] // p["reduction"])

    def parameters(self, p: Values, shape: Shape) -> int:
        hidden = self._hidden(p, shape)
        return 2 * shape[0] * hidden + hidden + shape[0]

    def multiply_adds(self, p: Values, shape: Shape) -> int:
        return 2 * shape[0] * self._hidden(p, shape) + size(shape)

    def call(self, p: Values, shape: Shape) -> Call:
        return Call("SqueezeExcite", (shape[0], self._hidden(p, shape)))

    def params_of(self, arguments: Values) -> dict[str, Any]:
        """The largest reduction that gives these hidden channels.

        Several reductions may give them, and all lead to the same call. Where the hidden channels divide the channels,
        the largest one is their ratio.
        """
        others = {name: value for name, value in arguments.items() if name not in ("channels", "hidden")}
        channels, hidden = arguments["channels"], arguments["hidden"]
        if isinstance(channels, int) and isinstance(hidden, int) and 1 <= hidden <= channels:
            reduction = min(channels // hidden, _MAX_REDUCTION)
            if channels // reduction == hidden:
                return super().params_of(others) | {"reduction": reduction}
        raise ParamError(
            say(
                "No reduction of SqueezeExcite leaves {hidden} of {channels}.",
                hidden=_shown(hidden),
                channels=_shown(channels),
            )
        )

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        hidden = self._hidden(p, shape)
        return (
            "y = x·σ(W₂·max(0, W₁·mean(x)))",
            f"weights = 2·{shape[0]}·{hidden} + {hidden} + {shape[0]} = {self.parameters(p, shape):,}",
        )


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else foreign(str(value))


def _one_to_another(
    outputs: Sequence[Shape],
    number: int,
    bring: Callable[[Shape, Shape], Blocks],
    label: Callable[[int, Shape], Message],
) -> list[Cure]:
    """The cure that brings branch `number` to the shape of the first one, with the blocks that `bring` gives.

    Where the parameters of these blocks do not allow that shape, the first branch is brought to the other's shape,
    or else made smaller.
    """
    first, other = outputs[0], outputs[number]
    for branch, given, wanted in ((number, other, first), (0, first, other), (0, first, _settable(first))):
        if cures := _appended(label(branch, wanted), branch, bring(given, wanted)):
            return cures
    return []


def _settable(shape: Shape) -> Shape:
    """The shape, each side limited to the maximum that the parameters of the blocks of `fitting` allow."""
    limits = [("Conv2d", "out_channels"), *[("AdaptiveAvgPool2d", "output_size")] * 2]
    sides = zip(shape, limits if is_tensor(shape) else [("Linear", "out_features")], strict=True)
    return tuple(min(side, _maximum(*limit)) for side, limit in sides)


def _maximum(kind: str, name: str) -> int:
    params = (param for param in REGISTRY[kind].params if param.name == name)
    return next(param.maximum for param in params if isinstance(param, Integer | Size))


def _appended(label: Message, branch: int, blocks: Blocks) -> list[Cure]:
    """The cure that appends blocks to a branch; none without blocks, or where one refuses its parameters."""
    refused = any(REGISTRY[kind].complete(params)[1] for kind, params in blocks)
    return [] if refused or not blocks else [AppendToBranch(label, branch, blocks)]


def _flattened(outputs: Sequence[Shape]) -> list[Cure]:
    """The cure that flattens the first branch that gives a tensor, where another gives a vector."""
    branch = next(number for number, shape in enumerate(outputs) if is_tensor(shape))
    return _appended(say("Insert Flatten"), branch, (("Flatten", {}),))


def _pooling(given: Shape, wanted: Shape) -> Blocks:
    return (("AdaptiveAvgPool2d", {"output_size": list(wanted[1:])}),)


def fitting(given: Shape, wanted: Shape) -> Blocks:
    """The blocks that bring one shape to another; none for a vector that is to become a tensor.

    A strided 1 × 1 convolution where that does it, as in He et al. 2016, option B.
    """
    if not is_tensor(wanted):
        flatten: Blocks = (("Flatten", {}),) if is_tensor(given) else ()
        linear: Blocks = (("Linear", {"out_features": wanted[0]}),)
        return flatten if size(given) == wanted[0] else (*flatten, *linear)
    if not is_tensor(given):
        return ()
    channels: dict[str, Any] = {"out_channels": wanted[0], "kernel_size": 1}
    if given[1:] == wanted[1:]:
        return (("Conv2d", channels),)
    strides = [_stride(*pair) for pair in zip(given[1:], wanted[1:], strict=True)]
    if None not in strides:
        return (("Conv2d", {**channels, "stride": strides}),)
    return (("AdaptiveAvgPool2d", {"output_size": list(wanted[1:])}), ("Conv2d", channels))


def _stride(given: int, wanted: int) -> int | None:
    """The stride that takes a 1 × 1 kernel from one side to the other, if there is one."""
    return next((stride for stride in range(1, 33) if (given - 1) // stride + 1 == wanted), None)
