"""Which of the classes and models of a file may be the network that is meant."""

import ast
from collections.abc import Iterable

import msgspec

from scv.blocks.reading.statements import Reader
from scv.blocks.reading.values import External, Instance, Modules, UserClass, Value, is_module

_ASKING = frozenset(("super", "isinstance", "issubclass", "print", "help", "hasattr", "getattr", "type"))
"""Functions of Python that make no use of a class that is given to them."""


class Candidate(msgspec.Struct, frozen=True, eq=False):
    """A network, or a class to make one of, and the place where it stands.

    `foreign_base` names the base class that has its `forward`, where that class is not in the code.
    """

    node: ast.AST
    value: Value
    order: int
    foreign_base: str = ""


def candidates(tree: ast.Module, reader: Reader, most: int) -> list[Candidate]:
    """The candidates, the likeliest first.

    Those that no other class uses come before the others, and later ones before earlier ones.
    """
    names = reader.top.names
    used = _used(tree)
    found: list[Candidate] = []
    made: set[int] = set()
    held = {id(inner) for value in names.values() for inner in _held(value) if inner is not value}
    for value in names.values():
        if id(value) in held:
            continue
        if isinstance(value, Instance) and value.cls.is_module():
            made.add(id(value.cls))
            found.append(Candidate(value.cls.node, value, _line(value.node)))
        elif isinstance(value, Modules) and value.form == "Sequential":
            found.append(Candidate(value.node, value, _line(value.node)))
    helpers: list[Candidate] = []
    for name, value in names.items():
        if not isinstance(value, UserClass) or value.kind is not None or id(value) in made:
            continue
        if not value.is_module():
            if name not in used and (base := _foreign_base(reader, value)) is not None:
                found.append(Candidate(value.node, value, _line(value.node), base))
            continue
        if value.method("forward") is None and value.holds() != "Sequential":
            continue
        candidate = Candidate(value.node, value, _line(value.node))
        (helpers if name in used else found).append(candidate)
    if not found:
        found += _returned(tree, reader)
    likeliest = [*_latest(found), *_latest(helpers)][:most]
    return [_with_arguments(tree, reader, candidate) for candidate in likeliest]


def _returned(tree: ast.Module, reader: Reader) -> list[Candidate]:
    """The networks that the file's functions without parameters return."""
    found: list[Candidate] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.args.args and not node.args.kwonlyargs:
            made = reader.tried(ast.copy_location(ast.Call(ast.Name(node.name, ast.Load()), [], []), node))
            if isinstance(made, Modules | Instance) and is_module(made):
                found.append(Candidate(node, made, _line(node)))
    return found


def _foreign_base(reader: Reader, cls: UserClass) -> str | None:
    """The name of the base that must have the forward of a class that holds modules; None for any other class."""
    bases = [base for base in cls.bases if isinstance(base, External) and not base.path.startswith("builtins.")]
    if not bases or cls.method("forward") is not None or cls.layer() is not None:
        return None
    made = reader.tried(ast.copy_location(ast.Call(ast.Name(cls.node.name, ast.Load()), [], []), cls.node))
    holds = isinstance(made, Instance) and any(is_module(value) for value in made.attributes.values())
    return bases[0].path.split(".")[-1] if holds else None


def _latest(found: Iterable[Candidate]) -> list[Candidate]:
    return sorted(found, key=lambda candidate: -candidate.order)


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))


def _held(value: Value) -> Iterable[Value]:
    """The modules that stand directly in a module, or were given to make it."""
    if isinstance(value, Modules):
        return value.items.values()
    if isinstance(value, Instance):
        return (*value.args, *value.kwargs.values(), *value.attributes.values())
    return ()


def _used(tree: ast.Module) -> set[str]:
    """The names that another class uses, directly or through functions, or that are arguments of a call."""
    definitions = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    mentions = {name: _mentioned(node) & definitions.keys() - {name} for name, node in definitions.items()}
    used: set[str] = set()
    waiting = [name for name, node in definitions.items() if isinstance(node, ast.ClassDef)]
    seen = set(waiting)
    while waiting:
        for name in mentions[waiting.pop()]:
            used.add(name)
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in _ASKING):
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            used |= {value.id for value in values if isinstance(value, ast.Name)}
    return used


def _mentioned(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _with_arguments(tree: ast.Module, reader: Reader, candidate: Candidate) -> Candidate:
    """A class that needs arguments is made with those of the first call of it."""
    cls = candidate.value
    found = cls.method("__init__") if isinstance(cls, UserClass) else None
    if found is None:
        return candidate
    spec = found[1].args
    if len(spec.args) - 1 <= len(spec.defaults) and None not in spec.kw_defaults:
        return candidate
    for statement in tree.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == cls.node.name:
                made = _made_by(reader, statement, node)
                if isinstance(made, Instance) and made.cls is cls:
                    return Candidate(candidate.node, made, candidate.order)
    return candidate


def _made_by(reader: Reader, statement: ast.stmt, call: ast.Call) -> Value:
    """The result of a call that makes a network; inside a function, whose names it may use, the function's result."""
    if isinstance(statement, ast.FunctionDef):
        function = ast.copy_location(ast.Name(statement.name, ast.Load()), call)
        return reader.tried(ast.copy_location(ast.Call(function, [], []), call))
    return reader.tried(call)
