"""The statements of somebody's code, gone through one by one; loops are unrolled, nothing of it is ever run."""

import ast
from collections.abc import Sequence
from functools import cache
from itertools import islice
from typing import Any

from scv.blocks.block import BlockType
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.reading import constants
from scv.blocks.reading.calls import Calls
from scv.blocks.reading.constants import NotConstantError
from scv.blocks.reading.flow import Flow
from scv.blocks.reading.values import (
    MAX_STEPS,
    Batch,
    Bound,
    CodeError,
    Dims,
    External,
    Function,
    Instance,
    Modules,
    Notes,
    Scope,
    Tensor,
    Unknown,
    UserClass,
    Value,
    sides_of,
    state,
)
from scv.message import say

MAX_HELPER = 500
"""More nodes than a helper class of our own code has."""

_GROWING = frozenset(["append", "extend", "insert", "add_module", "register_module", "setattr"])


class _Left:
    """How a block of statements was left before its end."""

    def __init__(self, how: str, value: Value = None) -> None:
        self.how = how
        self.value = value


class Reader(Calls):
    """Reads a file: `top` has its names afterwards."""

    def __init__(self, notes: Notes) -> None:
        super().__init__(notes, Flow(notes))
        self._assumed = {
            "torch": External("torch"),
            "nn": External("torch.nn"),
            "F": External("torch.nn.functional"),
            "math": External("math"),
            "OrderedDict": External("collections.OrderedDict"),
            "__name__": "__main__",
        }
        self.top = Scope({}, Scope(dict(self._assumed)))

    def read(self, tree: ast.Module) -> None:
        """Go through the file. After what takes too long, such as a training loop, only definitions are read."""
        tired = False
        for statement in tree.body:
            if tired and not isinstance(statement, ast.Import | ast.ImportFrom | ast.ClassDef | ast.FunctionDef):
                continue
            try:
                self._run([statement], self.top)
            except CodeError:
                if tired:
                    return
                tired = True
                self._nesting = 0
                self._notes.steps = MAX_STEPS

    def tried(self, node: ast.expr) -> Value:
        """The value of an expression with the names of the file."""
        try:
            return self.eval(node, self.top)
        except CodeError:
            self._nesting = 0
            return Unknown(node)

    def forward(self, node: ast.AST, module: Value, notes: Notes) -> Value:
        """What a network gives for an image; the graph is that of `flow` afterwards."""
        self._notes = notes
        self._flow = Flow(notes)
        self._nesting = 0
        if isinstance(module, UserClass):
            module = self.instance(node, module, (), {})
        elif isinstance(module, Instance):
            fresh = self.instance(module.node, module.cls, module.args, module.kwargs)
            # A network that was changed after its construction is used as it is at the end of the file.
            module = fresh if state(module, notes) == module.made else module
        return self.call(node, module, [Tensor(self._flow.input)], {})

    @property
    def flow(self) -> Flow:
        """Where the tensors of the last `forward` went."""
        return self._flow

    def run(self, body: Sequence[ast.stmt], scope: Scope) -> Value:
        """Go through a function's body and give what it returns."""
        left = self._run(body, scope)
        return left.value if left is not None and left.how == "return" else None

    def _run(self, body: Sequence[ast.stmt], scope: Scope) -> _Left | None:
        self.deeper()
        try:
            for statement in body:
                self._notes.spend()
                left = self._statement(statement, scope)
                if left is not None:
                    return left
            return None
        finally:
            self._nesting -= 1

    def _statement(self, statement: ast.stmt, scope: Scope) -> _Left | None:
        match statement:
            case ast.Expr(value=value):
                self.eval(value, scope)
            case ast.Assign(targets=targets, value=value):
                given = self.eval(value, scope)
                for target in targets:
                    self.assign(target, given, scope)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.assign(target, self.eval(value, scope), scope)
            case ast.AugAssign():
                self._change(statement, scope)
            case ast.Return(value=value):
                return _Left("return", None if value is None else self.eval(value, scope))
            case ast.If():
                return self._if(statement, scope)
            case ast.For():
                return self._for(statement, scope)
            case ast.While():
                return self._while(statement, scope)
            case ast.With(items=items, body=body):
                for item in items:
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, Unknown(item.context_expr), scope)
                return self._run(body, scope)
            case ast.Try(body=body, finalbody=final):
                return self._run(body, scope) or self._run(final, scope)
            case ast.Raise():
                return _Left("return", Unknown(statement))
            case ast.Break():
                return _Left("break")
            case ast.Continue():
                return _Left("continue")
            case ast.Match():
                self._skip(statement, [case.body for case in statement.cases], scope)
            case _:
                self._define(statement, scope)
        return None

    def _define(self, statement: ast.stmt, scope: Scope) -> None:
        """Take up the name of a function, a class or an import; forget what is deleted."""
        match statement:
            case ast.Delete(targets=targets):
                for target in targets:
                    self._delete(target, scope)
            case ast.FunctionDef(name=name):
                scope.names[name] = Function(statement, scope)
            case ast.ClassDef(name=name):
                scope.names[name] = self._class(statement, scope)
            case ast.Import(names=names):
                for alias in names:
                    path = alias.name if alias.asname else alias.name.split(".")[0]
                    scope.names[alias.asname or path] = External(path)
            case ast.ImportFrom(module=module, names=names):
                self._import(module or "", names, scope)

    def _import(self, module: str, names: Sequence[ast.alias], scope: Scope) -> None:
        for alias in names:
            if alias.name != "*":
                scope.names[alias.asname or alias.name] = External(f"{module}.{alias.name}")
            elif module == "torch.nn":
                words = (*CATALOGUE, "Module", "Sequential", "ModuleList", "ModuleDict", "Identity")
                scope.names |= {name: External(f"torch.nn.{name}") for name in words}
            elif module == "torch.nn.functional":
                words = (*(name for kind in CATALOGUE.values() for name in kind.functions), "pad")
                scope.names |= {name: External(f"torch.nn.functional.{name}") for name in words}

    def _class(self, node: ast.ClassDef, scope: Scope) -> UserClass:
        bases = tuple(self.eval(base, scope) for base in node.bases)
        inner = Scope({}, scope)
        for statement in node.body:
            if isinstance(statement, ast.Assign | ast.AnnAssign):
                self._statement(statement, inner)
        return UserClass(node, scope, bases, inner.names, _helper(node))

    def _if(self, node: ast.If, scope: Scope) -> _Left | None:
        taken = self._tested(node.test, scope)
        if taken is None:
            self._skip(node, [node.body, node.orelse], scope)
            return None
        return self._run(node.body if taken else node.orelse, scope)

    def _tested(self, node: ast.expr, scope: Scope) -> bool | None:
        """Whether a test holds; None where that cannot be known. What it does to tensors is no part of the network."""
        with self._notes.silent():
            return self.truth(self.eval(node, scope))

    def _for(self, node: ast.For, scope: Scope) -> _Left | None:
        row = self.row(self.eval(node.iter, scope))
        if row is None:
            self._skip(node, [node.body], scope)
            return None
        for item in row:
            self.assign(node.target, item, scope)
            left = self._run(node.body, scope)
            if left is not None and left.how == "return":
                return left
            if left is not None and left.how == "break":
                return None
        return self._run(node.orelse, scope)

    def _while(self, node: ast.While, scope: Scope) -> _Left | None:
        for _ in range(constants.MAX_LENGTH):
            taken = self._tested(node.test, scope)
            if taken is None:
                break
            if not taken:
                return self._run(node.orelse, scope)
            left = self._run(node.body, scope)
            if left is not None and left.how == "return":
                return left
            if left is not None and left.how == "break":
                return None
        self._skip(node, [node.body], scope)
        return None

    def _skip(self, node: ast.stmt, bodies: Sequence[Sequence[ast.stmt]], scope: Scope) -> None:
        """Leave out statements where the data decide whether, or how often, they run.

        The names and attributes that they would set become unknown. A problem is reported only if this matters
        to the network.
        """
        parts = [part for body in bodies for statement in body for part in ast.walk(statement)]
        self._notes.spend(len(parts))
        matters = any(isinstance(value, Tensor) for value in scope.names.values()) and any(
            isinstance(part, ast.Return) for part in parts
        )
        for part in parts:
            match part:
                case ast.Name(id=name, ctx=ast.Store()):
                    if isinstance(scope.names.get(name), Tensor):
                        matters = True
                    else:
                        scope.names[name] = Unknown(node)
                case ast.Attribute(value=ast.Name(id=name), attr=attribute, ctx=ast.Store()):
                    target = scope.names.get(name)
                    if isinstance(target, Instance):
                        target.attributes[attribute] = Unknown(node)
                case ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name)):
                    matters = matters or (name in _GROWING and scope is not self.top)
        if matters:
            message = say("What this does depends on more than the code says: {code}", code=self._notes.code(node))
            self._notes.report(node, message)

    def _change(self, node: ast.AugAssign, scope: Scope) -> None:
        target = node.target
        read = ast.copy_location(_as_read(target), target)
        before = self.eval(read, scope)
        change = self.eval(node.value, scope)
        grown = isinstance(node.op, ast.Add)
        if grown and isinstance(before, list | Modules) and isinstance(change, list | tuple | Modules):
            given = self.call(node, Bound(before, "extend"), [self.row(change)], {})
            if isinstance(given, Unknown):
                self.assign(target, given, scope)
            return
        try:
            value = self.binary(node, node.op, before, change)
        except NotConstantError:
            value = Unknown(node)
        if isinstance(before, Tensor):
            value = self._flow.changed(before, value)
        self.assign(target, value, scope)

    def assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Give a name, an attribute, an element or several of them a value."""
        match target:
            case ast.Name(id=name):
                scope.names[name] = value
            case ast.Attribute(value=owner, attr=name):
                self.set_attribute(self.eval(owner, scope), name, value)
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                self._unpack(target, targets, value, scope)
            case ast.Subscript(value=owner, slice=key):
                row = self.eval(owner, scope)
                self._set_item(target, row, None if isinstance(row, Tensor) else self.eval(key, scope), value)

    def _delete(self, target: ast.expr, scope: Scope) -> None:
        match target:
            case ast.Name(id=name):
                scope.names.pop(name, None)
            case ast.Attribute(value=owner, attr=name):
                self.call(target, External("builtins.delattr"), [self.eval(owner, scope), name], {})
            case ast.Subscript(value=owner, slice=key):
                row = self.eval(owner, scope)
                self.call(target, Bound(row, "pop"), [self.eval(key, scope)], {})

    def _unpack(self, node: ast.expr, targets: Sequence[ast.expr], value: Value, scope: Scope) -> None:
        self.deeper()
        self._notes.spend(len(targets))
        values: list[Value] = [value if isinstance(value, Unknown) else Unknown(node)] * len(targets)
        if isinstance(value, Dims):
            values[:1] = [Batch()]
            if len(values) == 4:
                values[2:] = sides_of(value.node)
        elif isinstance(value, Tensor):
            if not value.loose:
                self._notes.refuse(node)
            values[:1] = [Tensor(value.node, loose=True)]
        elif not isinstance(value, Unknown):
            row = self.row(value) or []
            if len(row) == len(targets):
                values = row
        for target, item in zip(targets, values, strict=True):
            self.assign(target.value if isinstance(target, ast.Starred) else target, item, scope)
        self._nesting -= 1

    def _set_item(self, node: ast.AST, owner: Value, key: Value, value: Value) -> None:
        if isinstance(owner, Tensor):
            self._flow.refuse(node, owner)
        elif isinstance(owner, Modules) and isinstance(key, int | str):
            names = list(owner.items)
            if isinstance(key, int):
                key = names[key] if -len(names) <= key < len(names) else None
            if key is not None and len(names) < constants.MAX_LENGTH:
                owner.items[key] = value
        elif isinstance(owner, dict):
            if constants.is_scalar(key) and len(owner) < constants.MAX_LENGTH:
                owner[key] = value
        elif isinstance(owner, list) and isinstance(key, int) and -len(owner) <= key < len(owner):
            owner[key] = value


def _as_read(target: Any) -> ast.expr:
    """The target of `+=` as the expression that reads it."""
    fields = {name: value for name, value in ast.iter_fields(target) if name != "ctx"}
    read: ast.expr = type(target)(**fields, ctx=ast.Load())
    return read


def _helper(node: ast.ClassDef) -> BlockType | None:
    """The kind of block if this class is its helper class as our own code writes it, else None."""
    kind = CATALOGUE.get(node.name)
    if kind is None or not kind.helper:
        return None
    if sum(1 for _ in islice(ast.walk(node), MAX_HELPER)) == MAX_HELPER:
        return None
    return kind if ast.dump(_bare(node)) == _helper_structure(kind) else None


@cache
def _helper_structure(kind: BlockType) -> str:
    return ast.dump(_bare(ast.parse(kind.helper).body[0]))


def _bare(node: ast.stmt) -> ast.stmt:
    """A class without the explanations in it."""
    if not isinstance(node, ast.ClassDef | ast.FunctionDef):
        return node
    body = [
        _bare(statement)
        for statement in node.body
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
    ]
    fields = {name: value for name, value in ast.iter_fields(node) if name != "body"}
    return type(node)(**fields, body=body)
