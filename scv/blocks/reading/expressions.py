"""The expressions of somebody's code: each is worth a constant, a layer, a tensor or something unknown."""

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from scv.blocks.reading import constants
from scv.blocks.reading.constants import NotConstantError
from scv.blocks.reading.flow import Flow
from scv.blocks.reading.values import (
    TRAINING,
    Batch,
    Bound,
    CodeError,
    Dims,
    External,
    Function,
    Instance,
    LayerValue,
    Modules,
    Notes,
    Scope,
    Side,
    Super,
    Tensor,
    Unknown,
    UserClass,
    Value,
    sides_of,
)
from scv.message import foreign, say

MAX_NESTING = 120
"""How deep expressions, statements and calls may lie within each other."""

BUILTINS = frozenset(
    (*constants.FUNCTIONS, "isinstance", "getattr", "setattr", "delattr", "hasattr", "super", "print"),
)


class Expressions(ABC):
    """Evaluates expressions. Evaluating a call is left to the subclass for calls."""

    def __init__(self, notes: Notes, flow: Flow) -> None:
        self._notes = notes
        self._flow = flow
        self._nesting = 0

    @abstractmethod
    def call(self, node: ast.AST, function: Value, args: Sequence[Value], kwargs: dict[str, Value]) -> Value:
        """What a call gives."""

    @abstractmethod
    def assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Give a name, an attribute, an element or several of them a value."""

    def deeper(self) -> None:
        """Count one more level of nesting, which the caller takes back. Raises `CodeError` where that is too deep."""
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise CodeError(say("The code is nested too deeply, or calls itself without an end."))

    def eval(self, node: ast.expr, scope: Scope) -> Value:
        """The value of an expression; `Unknown` where it cannot be known. Raises `CodeError` for too much work."""
        self._notes.spend()
        self.deeper()
        try:
            return self._value(node, scope)
        except NotConstantError:
            return Unknown(node)
        finally:
            self._nesting -= 1

    def _value(self, node: ast.expr, scope: Scope) -> Value:
        match node:
            case ast.Constant():
                return constants.bounded(node.value)
            case ast.Name(id=name):
                return self._name(node, name, scope)
            case ast.Attribute(value=value, attr=name):
                return self.attribute(node, self.eval(value, scope), name)
            case ast.Call():
                return self._call(node, scope)
            case ast.BinOp(left=left, op=sign, right=right):
                return self.binary(node, sign, self.eval(left, scope), self.eval(right, scope))
            case ast.UnaryOp(op=sign, operand=operand):
                return self._unary(node, sign, self.eval(operand, scope))
            case ast.BoolOp(op=sign, values=values):
                return self._bool(node, isinstance(sign, ast.Or), values, scope)
            case ast.Compare():
                return self._compare(node, scope)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                taken = self.truth(self.eval(test, scope))
                return Unknown(node) if taken is None else self.eval(body if taken else orelse, scope)
            case ast.List(elts=items):
                return self._items(items, scope)
            case ast.Tuple(elts=items):
                return tuple(self._items(items, scope))
            case ast.Dict(keys=keys, values=values):
                return self._dict(keys, values, scope)
            case ast.Subscript(value=value, slice=key):
                return self._subscript(node, self.eval(value, scope), key, scope)
            case ast.ListComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node, scope)
            case ast.JoinedStr(values=values):
                return self._text(values, scope)
            case ast.Lambda():
                return Function(node, scope)
            case ast.NamedExpr(target=target, value=value):
                given = self.eval(value, scope)
                self.assign(target, given, scope)
                return given
        return Unknown(node)

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.DictComp, scope: Scope) -> Value:
        found: list[Value] = []

        def add(inner: Scope) -> None:
            match node:
                case ast.DictComp(key=key, value=value):
                    found.append((self.eval(key, inner), self.eval(value, inner)))
                case _:
                    found.append(self.eval(node.elt, inner))

        self._generate(node.generators, Scope({}, scope), add)
        return constants.call("dict", (found,), {}) if isinstance(node, ast.DictComp) else constants.bounded(found)

    def _name(self, node: ast.expr, name: str, scope: Scope) -> Value:
        try:
            return scope.find(name)
        except KeyError:
            if name in BUILTINS:
                return External(f"builtins.{name}")
            return Unknown(node, say("{name} has no value in this code.", name=foreign(name)))

    def attribute(self, node: ast.AST, target: Value, name: str) -> Value:
        """The value of `target.name`."""
        match target:
            case External(path=path):
                return External(f"{path}.{name}")
            case Instance(attributes=attributes) if name == "_modules":
                return attributes
            case Instance():
                return self._attribute_of_instance(node, target, name)
            case UserClass():
                return self._attribute_of_class(node, target, name)
            case Modules(items=items) if name in items:
                return items[name]
            case Modules(items=items) if name == "_modules":
                return items
            case LayerValue(kind=kind) if kind is not None and name in kind.signature:
                bound = dict(zip(target.names or kind.signature, target.args, strict=False)) | target.kwargs
                return bound.get(name, Unknown(node))
            case Tensor() if name == "shape":
                return Dims(target.node)
            case Tensor() if name in ("ndim", "device", "dtype"):
                return Unknown(node)
            case Tensor() | Modules() | LayerValue() | Super() | list() | dict() | str() | Dims():
                return Bound(target, name)
        return target if isinstance(target, Unknown) else Unknown(node)

    def set_attribute(self, owner: Value, name: str, value: Value) -> None:
        """`owner.name = value`."""
        if isinstance(owner, Instance | UserClass):
            owner.attributes[name] = value
        if isinstance(owner, Modules):
            owner.append(value, name)
        layer = owner.layer if isinstance(owner, Instance) else owner
        if isinstance(layer, LayerValue):
            # The argument `bias` says whether there is a bias; the attribute `bias` holds it.
            layer.change(name, value is not None if name == "bias" else value)

    def _attribute_of_instance(self, node: ast.AST, target: Instance, name: str) -> Value:
        if name in target.attributes:
            return target.attributes[name]
        if target.modules is not None and name in target.modules.items:
            return target.modules.items[name]
        if name == "training":
            return TRAINING
        found = target.cls.method(name)
        if found is not None:
            owner, method = found
            marks = {mark.id for mark in method.decorator_list if isinstance(mark, ast.Name)}
            if "staticmethod" in marks:
                return Function(method, owner.scope, owner)
            function = Function(method, owner.scope, owner, target)
            return self.call(node, function, (), {}) if "property" in marks else function
        for cls in target.cls.lineage():
            if name in cls.attributes:
                return cls.attributes[name]
        return Bound(target, name)

    def _attribute_of_class(self, node: ast.AST, target: UserClass, name: str) -> Value:
        for cls in target.lineage():
            if name in cls.attributes:
                return cls.attributes[name]
        found = target.method(name)
        if found is not None:
            return Function(found[1], found[0].scope, found[0])
        if name == "__init__":
            return External("torch.nn.Module.__init__")
        return constants.bounded(target.node.name) if name == "__name__" else Unknown(node)

    def _call(self, node: ast.Call, scope: Scope) -> Value:
        function = self.eval(node.func, scope)
        if isinstance(function, External) and function.path == "builtins.super":
            try:
                return scope.find("super()")
            except KeyError:
                return Unknown(node)
        args = self._items(node.args, scope)
        kwargs: dict[str, Value] = {}
        for keyword in node.keywords:
            value = self.eval(keyword.value, scope)
            if keyword.arg is not None:
                kwargs[keyword.arg] = value
            elif isinstance(value, dict) and all(isinstance(name, str) for name in value):
                kwargs |= value
            else:
                return Unknown(node)
        return self.call(node, function, args, kwargs)

    def _items(self, nodes: Sequence[ast.expr], scope: Scope) -> list[Value]:
        items: list[Value] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                value = self.eval(node.value, scope)
                row = self.row(value)
                items += [value if isinstance(value, Unknown) else Unknown(node)] if row is None else row
            else:
                items.append(self.eval(node, scope))
            constants.bounded(items)
        return items

    def row(self, value: Value) -> list[Value] | None:
        """What a loop over the value goes through; None where that cannot be known."""
        if isinstance(value, Instance) and value.modules is not None:
            value = value.modules
        if isinstance(value, Modules):
            value = list(value.items) if value.form == "ModuleDict" else list(value.items.values())
        if not isinstance(value, list | tuple | dict | str):
            return None
        self._notes.spend(len(value))
        return list(value)

    def truth(self, value: Value) -> bool | None:
        """Whether the value counts as true; None where that cannot be known."""
        if isinstance(value, Unknown | Tensor | External | Dims | Batch):
            return None
        if isinstance(value, Modules):
            return bool(value.items)
        return bool(value) if constants.is_scalar(value) or isinstance(value, list | tuple | dict) else True

    def binary(self, node: ast.AST, sign: ast.operator, left: Value, right: Value) -> Value:
        """The value of `left sign right`."""
        if isinstance(left, Tensor) or isinstance(right, Tensor):
            return self._flow.binary(node, sign, left, right)
        for value in (left, right):
            if isinstance(value, Unknown):
                return value
        value = constants.binary(sign, left, right)
        if isinstance(value, list | tuple | str):
            self._notes.spend(len(value))
        return value

    def _unary(self, node: ast.expr, sign: ast.unaryop, operand: Value) -> Value:
        if isinstance(sign, ast.Not):
            true = self.truth(operand)
            return Unknown(node) if true is None else not true
        if isinstance(operand, Tensor):
            return self._flow.refuse(node, operand)
        return operand if isinstance(operand, Unknown) else constants.unary(sign, operand)

    def _bool(self, node: ast.expr, either: bool, nodes: Sequence[ast.expr], scope: Scope) -> Value:
        value: Value = Unknown(node)
        for part in nodes:
            value = self.eval(part, scope)
            true = self.truth(value)
            if true is None or true == either:
                return value
        return value

    def _compare(self, node: ast.Compare, scope: Scope) -> Value:
        left = self.eval(node.left, scope)
        for sign, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.eval(right_node, scope)
            for value in (left, right):
                if isinstance(value, list | tuple | str | dict):
                    self._notes.spend(len(value))
            if not constants.compare(sign, left, right):
                return False
            left = right
        return True

    def _dict(self, keys: Sequence[ast.expr | None], values: Sequence[ast.expr], scope: Scope) -> Value:
        found: dict[Value, Value] = {}
        for key_node, value_node in zip(keys, values, strict=True):
            value = self.eval(value_node, scope)
            if key_node is None:
                if not isinstance(value, dict):
                    raise NotConstantError
                found |= value
                continue
            key = self.eval(key_node, scope)
            if not constants.is_scalar(key):
                raise NotConstantError
            found[key] = value
        return constants.bounded(found)

    def _subscript(self, node: ast.expr, target: Value, key_node: ast.expr, scope: Scope) -> Value:
        if isinstance(target, Tensor):
            parts = key_node.elts if isinstance(key_node, ast.Tuple) else [key_node]
            return self._flow.index(node, target, parts)
        key = self._key(key_node, scope)
        if isinstance(target, Unknown):
            return target
        if isinstance(target, Dims):
            return _part_of_shape(node, target, key)
        if isinstance(target, Instance) and target.modules is not None:
            target = target.modules
        if isinstance(target, Modules) and target.form != "ModuleDict":
            found = constants.index(list(target.items.values()), key)
            self._notes.spend(len(target.items))
            if isinstance(found, list):
                return Modules(target.form, node, {str(number): item for number, item in enumerate(found)})
            return found
        found = constants.index(target.items if isinstance(target, Modules) else target, key)
        if isinstance(key, slice):
            self._notes.spend(len(found))
        return found

    def _key(self, node: ast.expr, scope: Scope) -> Value:
        if not isinstance(node, ast.Slice):
            return self.eval(node, scope)
        bounds = [None if part is None else self.eval(part, scope) for part in (node.lower, node.upper, node.step)]
        if not all(bound is None or isinstance(bound, int) for bound in bounds):
            raise NotConstantError
        return slice(*bounds)

    def _generate(self, generators: Sequence[ast.comprehension], scope: Scope, take: Callable[[Scope], None]) -> None:
        if not generators:
            take(scope)
            return
        first, *others = generators
        row = self.row(self.eval(first.iter, scope))
        if row is None:
            raise NotConstantError
        for item in row:
            self.assign(first.target, item, scope)
            tests = [self.truth(self.eval(test, scope)) for test in first.ifs]
            if None in tests:
                raise NotConstantError
            self._notes.spend(len(scope.names))
            if all(tests):
                # Lambdas in the element must keep this round's names.
                self._generate(others, Scope(dict(scope.names), scope.around), take)

    def _text(self, parts: Sequence[ast.expr], scope: Scope) -> str:
        words: list[str] = []
        for part in parts:
            if isinstance(part, ast.FormattedValue):
                value = self.eval(part.value, scope)
                if part.format_spec is not None or part.conversion != -1 or not constants.is_scalar(value):
                    raise NotConstantError
                words.append(str(value))
            elif isinstance(part, ast.Constant):
                words.append(str(part.value))
        text: str = constants.bounded("".join(words))
        return text


def _part_of_shape(node: ast.AST, shape: Dims, key: Value) -> Value:
    """`x.shape[key]`: placeholders for the batch, height and width; `Unknown` for the channels."""
    if isinstance(key, slice):
        if key in (slice(None, 1), slice(0, 1)):
            return (Batch(),)
        return sides_of(shape.node) if key in (slice(2, None), slice(-2, None), slice(2, 4)) else Unknown(node)
    if key == 0:
        return Batch()
    return Side(shape.node, key % 4) if key in (2, 3, -2, -1) else Unknown(node)
