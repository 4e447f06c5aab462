"""What an expression in somebody's code may be worth here: constants of Python, layers, modules, tensors.

Constants are Python's own None, bool, int, float, str, list, tuple and dict. Everything else is one of the
classes below. Nothing of the code is ever run; `Unknown` stands for all that cannot be known without running it.
"""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import msgspec

from scv.blocks.block import BlockType
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.reading.graph import Node
from scv.message import Message, foreign, say

Value: TypeAlias = Any

MAX_STEPS = 200_000
"""How many steps are taken before the reading is given up: well under a second."""

MAX_PROBLEMS = 100
"""More than this many places are not named."""


class Unknown(msgspec.Struct, frozen=True, eq=False):
    """A value that cannot be known, the node that it comes from, and the reason where a special one is known."""

    node: ast.AST
    why: Message | None = None


class External(msgspec.Struct, frozen=True):
    """Something imported, by its full name such as `torch.nn.Conv2d`."""

    path: str


TRAINING = External("torch.nn.Module.training")
"""`self.training`: it is neither true nor false here, because the network is used in training and in prediction."""


class Tensor(msgspec.Struct, eq=False):
    """A tensor in `forward`. `loose` is true where a step before it was left out.

    All names of one tensor hold the same object: a change in place gives that object another node.
    """

    node: Node
    loose: bool = False


class Dims(msgspec.Struct, frozen=True, eq=False):
    """The shape of the tensor that a node gives. Its first number is the batch."""

    node: Node


class Side(msgspec.Struct, frozen=True, eq=False):
    """Height (axis 2) or width (axis 3) of the tensor that a node gives."""

    node: Node
    axis: int


def sides_of(node: Node) -> tuple[Side, Side]:
    """Height and width of the tensor that a node gives."""
    return Side(node, 2), Side(node, 3)


class Batch(msgspec.Struct, frozen=True):
    """How many images there are in a batch."""


class Scope(msgspec.Struct, eq=False):
    """The names of a function or of the file, and those around it."""

    names: dict[str, Value]
    around: "Scope | None" = None

    def find(self, name: str) -> Value:
        """The value of a name. Raises `KeyError`."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.around
        raise KeyError(name)


class Function(msgspec.Struct, frozen=True, eq=False):
    """A function or method of the code. `bound` is the instance that it belongs to, `owner` the class it stands in."""

    node: ast.FunctionDef | ast.Lambda
    scope: Scope
    owner: "UserClass | None" = None
    bound: "Instance | None" = None


class UserClass(msgspec.Struct, frozen=True, eq=False):
    """A class of the code. `kind` is the kind of block of which it is the helper class, if it is one."""

    node: ast.ClassDef
    scope: Scope
    bases: tuple[Value, ...]
    attributes: dict[str, Value]
    kind: BlockType | None = None

    def is_module(self) -> bool:
        """Whether it is derived from a class of torch whose instances are modules."""
        return any(base.path.split(".")[-1] in _MODULE_BASES for base in self._foreign_bases())

    def lineage(self) -> "tuple[UserClass, ...]":
        """The class and those of the code that it is derived from, nearest first, each once."""
        found: dict[int, UserClass] = {}
        waiting = [self]
        while waiting:
            cls = waiting.pop()
            if id(cls) not in found and len(found) < MAX_LINEAGE:
                found[id(cls)] = cls
                waiting += [base for base in reversed(cls.bases) if isinstance(base, UserClass)]
        return tuple(found.values())

    def _foreign_bases(self) -> list[External]:
        return [base for cls in self.lineage() for base in cls.bases if isinstance(base, External)]

    def holds(self) -> str | None:
        """Which of `Sequential`, `ModuleList` and `ModuleDict` it is derived from, if any."""
        names = [base.path.split(".")[-1] for base in self._foreign_bases()]
        return next((name for name in names if name in HOLDERS), None)

    def layer(self) -> BlockType | None:
        """The kind of block whose class in torch it is derived from, if it is."""
        names = [base.path.split(".")[-1] for base in self._foreign_bases() if base.path.startswith("torch.nn.")]
        kinds = (CATALOGUE.get(name) for name in names)
        return next((kind for kind in kinds if kind is not None and not kind.helper), None)

    def method(self, name: str, *, after: "UserClass | None" = None) -> "tuple[UserClass, ast.FunctionDef] | None":
        """A method and the class that it stands in; with `after` only in the classes behind that one."""
        lineage = self.lineage()
        if after is not None:
            lineage = lineage[lineage.index(after) + 1 :] if after in lineage else ()
        for owner in lineage:
            for statement in reversed(owner.node.body):
                if isinstance(statement, ast.FunctionDef) and statement.name == name:
                    return owner, statement
        return None


HOLDERS = ("Sequential", "ModuleList", "ModuleDict")
"""The classes of torch that hold other modules in order."""

MAX_LINEAGE = 50
"""Most ancestors of a class, and most levels of nesting in a module, that are followed."""

_MODULE_BASES = ("Module", "LightningModule", *HOLDERS)


class Instance(msgspec.Struct, eq=False):
    """An instance of a class of the code, the arguments that it was made with, and its attributes.

    `modules` holds the modules if the class is derived from `nn.Sequential`, `nn.ModuleList` or `nn.ModuleDict`.
    `layer` is the layer if the class is derived from a layer of torch. `made` is the `state` right after `__init__`.
    """

    cls: UserClass
    node: ast.AST
    args: tuple[Value, ...]
    kwargs: dict[str, Value]
    attributes: dict[str, Value]
    modules: "Modules | None" = None
    layer: "LayerValue | None" = None
    made: Any = None


class Super(msgspec.Struct, frozen=True, eq=False):
    """What `super()` gives in a method of `owner`."""

    instance: Instance
    owner: UserClass


class LayerValue(msgspec.Struct, eq=False):
    """A layer of torch as it is constructed, or a helper of our own code. `kind` is None where there is no such block.

    `names` are the names of the positional arguments; None stands for those of the class.
    """

    node: ast.AST
    kind: BlockType | None
    args: tuple[Value, ...] = ()
    kwargs: dict[str, Value] = {}
    names: tuple[str, ...] | None = None
    params: dict[str, Any] | None = None
    used: bool = False

    def change(self, name: str, value: Value) -> None:
        """Set an attribute after construction; this has an effect only on arguments that torch reads at each call."""
        if self.kind is None or name not in self.kind.signature or name in _SIZES:
            return
        if name == "kernel_size" and self.kind.category != "pooling":
            return  # the weights have that size already
        bound = dict(zip(self.names or self.kind.signature, self.args, strict=False))
        self.args, self.kwargs, self.params = (), {**bound, **self.kwargs, name: value}, None


_SIZES = frozenset(
    ["in_channels", "out_channels", "in_features", "out_features", "num_features", "num_channels", "affine"]
)
"""Attributes of layers that torch reads once, to make the weights."""


class Modules(msgspec.Struct, eq=False):
    """`nn.Sequential`, `nn.ModuleList` or `nn.ModuleDict`: modules in order, each with a name."""

    form: str
    node: ast.AST
    items: dict[str, Value]

    def append(self, value: Value, name: str | None = None) -> None:
        """One more at the end, named by its position if not otherwise."""
        self.items[str(len(self.items)) if name is None else name] = value


class Partial(msgspec.Struct, frozen=True, eq=False):
    """What `functools.partial` gives."""

    function: Value
    args: tuple[Value, ...]
    kwargs: dict[str, Value]


class Bound(msgspec.Struct, frozen=True, eq=False):
    """A method of something that is no instance of a class of the code: of a list, a tensor, a module."""

    target: Value
    name: str


def state(value: Value, notes: "Notes", depth: int = 0) -> Any:
    """A snapshot of what a module holds: two snapshots are equal if nothing in it was changed in between."""
    notes.spend()
    if depth > MAX_LINEAGE:
        return None
    if isinstance(value, Instance):
        return id(value), state(value.attributes, notes, depth + 1), state(value.modules, notes, depth + 1)
    if isinstance(value, Modules):
        return id(value), state(value.items, notes, depth + 1)
    if isinstance(value, LayerValue):
        return id(value), state(value.kwargs, notes, depth + 1)
    if isinstance(value, dict):
        return tuple((name, state(item, notes, depth + 1)) for name, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(state(item, notes, depth + 1) for item in value)
    return id(value)


def modules_in(module: Value, notes: "Notes", path: str = "", depth: int = 0) -> dict[str, Value]:
    """A module and all modules in it by their paths, each once."""
    found = {path: module}
    inner = module.modules if isinstance(module, Instance) and module.modules is not None else module
    children: dict[str, Value] = {}
    if isinstance(inner, Instance | Modules) and depth < MAX_LINEAGE:
        children = inner.attributes if isinstance(inner, Instance) else inner.items
    notes.spend(1 + len(children) * len(found))
    for name, value in children.items():
        if is_module(value) and not any(value is other for other in found.values()):
            found |= modules_in(value, notes, f"{path}.{name}" if path else name, depth + 1)
    return found


def is_module(value: Value) -> bool:
    """Whether it can be called with a tensor and may hold weights."""
    return isinstance(value, LayerValue | Modules) or (isinstance(value, Instance) and value.cls.is_module())


class CodeProblem(msgspec.Struct, frozen=True):
    """What could not be imported, with its line, counted from 1."""

    line: int
    message: Message


class CodeError(Exception):
    """Nothing can be imported from the text at all; `message` says why, with the line where there is one."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(str(message))


class Notes:
    """The problems found so far, and how many steps of work are left."""

    def __init__(self, source: str, steps: int = MAX_STEPS) -> None:
        # Lines as `ast` counts them: a form feed or a Unicode separator does not end a line.
        self._lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._found: dict[tuple[int, str], CodeProblem] = {}
        self._silent = 0
        self.steps = steps

    def spend(self, steps: int = 1) -> None:
        """Count work. Raises `CodeError` when there has been too much."""
        self.steps -= steps
        if self.steps < 0:
            raise CodeError(say("Reading this code takes too long: are there very long loops in it?"))

    def problems(self) -> tuple[CodeProblem, ...]:
        """All problems in the order of their lines."""
        return tuple(sorted(self._found.values(), key=lambda problem: problem.line))

    def report(self, node: ast.AST, message: Message) -> None:
        """Note a problem, once for each place."""
        line = getattr(node, "lineno", 1)
        if len(self._found) < MAX_PROBLEMS and not self._silent:
            self._found.setdefault((line, str(message)), CodeProblem(line, message))

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Note no problems inside the `with` block."""
        self._silent += 1
        try:
            yield
        finally:
            self._silent -= 1

    def refuse(self, node: ast.AST) -> None:
        """Note that a piece of code cannot be imported, and quote it."""
        self.report(node, say("{code} cannot be imported.", code=self.code(node)))

    def unknown(self, value: Unknown) -> None:
        """Note that a value is needed that cannot be known."""
        if value.why is None:
            self.refuse(value.node)
        else:
            self.report(value.node, value.why)

    def code(self, node: ast.AST) -> str:
        """The source of a node as far as it stands on one line, shortened."""
        first = getattr(node, "lineno", 0) - 1
        if not 0 <= first < len(self._lines):
            return "?"
        line = self._lines[first].encode(errors="replace")
        end = getattr(node, "end_col_offset", None) if getattr(node, "end_lineno", 0) == first + 1 else None
        text = line[getattr(node, "col_offset", 0) : end].decode(errors="replace").strip()
        return foreign(text, 60)
