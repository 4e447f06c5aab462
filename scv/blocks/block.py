"""What a kind of block is: one class that holds everything that is known about it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import msgspec

from scv.blocks.params import Param, ParamError, Values
from scv.blocks.receptive_field import ReceptiveField
from scv.blocks.shapes import Shape, is_tensor, size, written
from scv.message import Message, foreign, mark, say

CATEGORIES: tuple[tuple[str, str], ...] = (
    ("convolution", mark("Convolution")),
    ("pooling", mark("Pooling")),
    ("activation", mark("Activation")),
    ("normalization", mark("Normalization")),
    ("regularization", mark("Regularization")),
    ("linear", mark("Linear")),
    ("shape", mark("Shape")),
    ("padding", mark("Padding")),
    ("structure", mark("Structure")),
)
"""Key and title of every category, in the palette's order."""


class Call(msgspec.Struct, frozen=True):
    """A PyTorch call as data: `str()` is what the user reads, and `ml.build` makes exactly that.

    Arguments may be calls in turn. A function without `nn.` is the class of a block's `helper`.
    """

    function: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}

    def __str__(self) -> str:
        words = [literal(arg) for arg in self.args]
        words += [f"{name}={literal(value)}" for name, value in self.kwargs.items()]
        return f"{self.function}({', '.join(words)})"


def literal(value: Any) -> str:
    """An argument as it is written in the code."""
    if isinstance(value, Call):
        return str(value)
    return f'"{value}"' if isinstance(value, str) else repr(value)


class SetHere(msgspec.Struct, frozen=True):
    """A cure: set parameters of the block itself."""

    label: Message
    params: dict[str, Any]


class InsertBefore(msgspec.Struct, frozen=True):
    """A cure: put new blocks, each a type and its parameters, before this one."""

    label: Message
    blocks: tuple[tuple[str, dict[str, Any]], ...]


class ReplaceHere(msgspec.Struct, frozen=True):
    """A cure: put new blocks, each a type and its parameters, in the place of this one."""

    label: Message
    blocks: tuple[tuple[str, dict[str, Any]], ...]


class AppendToBranch(msgspec.Struct, frozen=True):
    """A cure: put new blocks, each a type and its parameters, at the end of a branch of this container."""

    label: Message
    branch: int
    blocks: tuple[tuple[str, dict[str, Any]], ...]


class RemoveHere(msgspec.Struct, frozen=True):
    """A cure: take the block out."""

    label: Message


Cure = SetHere | InsertBefore | ReplaceHere | AppendToBranch | RemoveHere


class ShapeError(Exception):
    """The input does not fit the block. `detail` is the arithmetic; `cures` are repairs relative to the block."""

    def __init__(self, code: str, message: Message, detail: Message | None = None, cures: Sequence[Cure] = ()) -> None:
        self.code = code
        self.message = message
        self.detail = detail
        self.cures = tuple(cures)
        super().__init__(str(message))


class BlockType(ABC):
    """One kind of block. Subclasses with a `type` register themselves in `REGISTRY` where they are defined.

    Shapes are without the batch. Methods take complete, canonical parameters (see `complete`).
    """

    type: ClassVar[str]
    """PyTorch's own name of the layer, never translated."""
    category: ClassVar[str]
    stem: ClassVar[str]
    """What its attribute in the generated code is called, before its number: `conv` gives `self.conv1`."""
    summary: ClassVar[str]
    help: ClassVar[str]
    params: ClassVar[tuple[Param, ...]] = ()
    helper: ClassVar[str] = ""
    """Source of the `nn.Module` class named like the type, where PyTorch has none; `nn` and `torch` are imported."""

    signature: ClassVar[tuple[str, ...]] = ()
    """The arguments of PyTorch's class in its order, `device` and `dtype` left out."""
    required: ClassVar[int] = 0
    """How many of these arguments, counted from the first, have no default in PyTorch."""
    inferred: ClassVar[tuple[str, ...]] = ()
    """The arguments that follow from the input here, so the block has no parameters for them."""
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    """Other arguments for which the block has no parameters, each with the values that are accepted for it."""
    functions: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """PyTorch's functions that do the same, by name, and their arguments in order after the input."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "type" in cls.__dict__:
            REGISTRY[cls.type] = cls()

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """The default of each parameter by its name."""
        return {param.name: param.default for param in self.params}

    @cached_property
    def _by_name(self) -> Mapping[str, Param]:
        return {param.name: param for param in self.params}

    @abstractmethod
    def output(self, p: Values, shape: Shape) -> Shape:
        """The output shape for an input shape; raises `ShapeError`."""

    @abstractmethod
    def call(self, p: Values, shape: Shape) -> Call:
        """The PyTorch call for an input shape that fits."""

    def parameters(self, p: Values, shape: Shape) -> int:
        """How many numbers are learned."""
        return 0

    def multiply_adds(self, p: Values, shape: Shape) -> int:
        """Multiplications with addition for one image, biases left out."""
        return 0

    def look(self, p: Values, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        """The receptive field of an output number, given the receptive field of an input number."""
        return field

    def kept(self, p: Values, shape: Shape) -> tuple[int, int] | None:
        """The padding with which height and width would stay as they are, where there is such a one."""
        return None

    def formula(self, p: Values, shape: Shape) -> tuple[str, ...]:
        """Lines of arithmetic with this block's own numbers, for an input shape that fits."""
        return ()

    def complete(self, given: Values) -> tuple[dict[str, Any], dict[str, Message]]:
        """All parameters in canonical form, defaults filled in, and why each refused one was, by its name.

        A refused value is replaced by its default, so that what follows can still be checked.
        """
        values = dict(self.defaults)
        refused: dict[str, Message] = {}
        for name, value in given.items():
            if name not in self._by_name:
                refused[name] = say("{type} has no parameter {name}.", type=self.type, name=foreign(name))
                continue
            try:
                values[name] = self._by_name[name].validate(value)
            except ParamError as error:
                refused[name] = error.message
        return values, refused

    def arguments(self, args: Sequence[Any], kwargs: Values, names: Sequence[str] | None = None) -> dict[str, Any]:
        """The arguments of a PyTorch call by name.

        `names` are the arguments of a function in order; None stands for those of the class. Raises `ParamError` where
        PyTorch would not take the call either.
        """
        order = self.signature if names is None else names
        if len(args) > len(order):
            raise ParamError(say("{type} takes {count} arguments at most.", type=self.type, count=len(order)))
        bound = dict(zip(order, args, strict=False))
        for name, value in kwargs.items():
            if name in bound:
                raise ParamError(say("{name} of {type} is given twice.", type=self.type, name=foreign(name)))
            bound[name] = value
        missing = [name for name in order[: self.required] if name not in bound]
        if missing:
            raise ParamError(say("{name} of {type} is not given.", type=self.type, name=missing[0]))
        return bound

    def params_of(self, arguments: Values) -> dict[str, Any]:
        """The block's parameters for the arguments of a PyTorch call, given by PyTorch's names: the inverse of `call`.

        They are neither checked nor completed. Raises `ParamError` for what no parameter can express.
        """
        dropped = {*self.inferred, *_WITHOUT_EFFECT}
        for name, values in self.fixed.items():
            if name in arguments and arguments[name] not in values:
                raise ParamError(
                    say("{type} can only have {name}={value} here.", type=self.type, name=name, value=repr(values[0]))
                )
        return {name: value for name, value in arguments.items() if name not in dropped and name not in self.fixed}

    def changed(self, p: Values, *names: str) -> dict[str, Any]:
        """Keyword arguments for those of the named parameters that differ from their defaults."""
        return {name: p[name] for name in names if p[name] != self.defaults[name]}

    def needs_tensor(self, shape: Shape) -> tuple[int, int, int]:
        """Channels, height and width of the input; raises `ShapeError` for a vector."""
        if is_tensor(shape):
            return shape[0], shape[1], shape[2]
        raise ShapeError(
            "needs_tensor",
            say(
                "{type} needs a tensor (channels × height × width), but a vector of {size} numbers arrives.",
                type=self.type,
                size=size(shape),
            ),
            say("Place it above the Flatten that makes the vector."),
            [RemoveHere(say("Remove {type}", type=self.type))],
        )


class Container(BlockType):
    """A kind of block that holds branches. Each gets the block's input; an empty one passes it on unchanged."""

    category = "structure"
    fewest: ClassVar[int]
    most: ClassVar[int]

    @abstractmethod
    def branch_title(self, number: int) -> Message:
        """What a branch is called, counted from 0."""

    @abstractmethod
    def join(self, p: Values, outputs: Sequence[Shape]) -> Shape:
        """The output shape from those of the branches; raises `ShapeError` where they do not go together."""

    @abstractmethod
    def wrap(self, p: Values, branches: Sequence[Call]) -> Call:
        """The call that makes the container of its branches' calls."""

    @abstractmethod
    def unwrap(self, args: Sequence[Any], kwargs: Values) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The branches and the other arguments of a call: the inverse of `wrap`. Raises `ParamError`."""

    def output(self, p: Values, shape: Shape) -> Shape:
        """The output shape of a new container, whose branches are empty."""
        return self.join(p, (shape,) * self.fewest)

    def call(self, p: Values, shape: Shape) -> Call:
        """The call of a new container, whose branches are empty."""
        return self.wrap(p, (IDENTITY,) * self.fewest)


IDENTITY = Call("nn.Identity")

_WITHOUT_EFFECT = ("inplace", "device", "dtype")
"""Arguments of PyTorch that change no result."""


class Elementwise(BlockType):
    """A block that keeps the shape and treats every number alike."""

    def output(self, p: Values, shape: Shape) -> Shape:
        return shape

    def call(self, p: Values, shape: Shape) -> Call:
        return Call(f"nn.{self.type}", (), self.changed(p, *(param.name for param in self.params)))


REGISTRY: dict[str, BlockType] = {}


def shape_line(before: Shape, after: Shape) -> str:
    """`16 × 28 × 28 → 16 × 14 × 14`."""
    return f"{written(before)} → {written(after)}"
