"""Arithmetic on the constants of somebody's code, bounded: no result is larger than a network could need.

Every function raises `NotConstantError` where the result cannot or need not be known.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scv.blocks.reading.values import External, Unknown, UserClass, Value

MAX_LENGTH = 1_000
"""Longest list, text or range, and so the most rounds of a loop."""

MAX_NUMBER = 2**53
"""Largest number: whole ones up to here have an exact float."""


class NotConstantError(Exception):
    """There is no such constant."""


_NUMERIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}

_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}

_PLACE = re.compile(r"%0?[1-9]?[dsi]")

_FAILURES = (TypeError, ValueError, ArithmeticError, IndexError, KeyError, AttributeError)


def is_scalar(value: Value) -> bool:
    """Whether it is None, a truth value, a number or a text."""
    return value is None or isinstance(value, bool | int | float | str)


def is_number(value: Value) -> bool:
    return isinstance(value, bool | int | float)


def is_plain(value: Value) -> bool:
    """Whether it is a scalar or a flat row of numbers, such as a size."""
    if isinstance(value, list | tuple):
        return len(value) <= 8 and all(is_number(item) or item is None for item in value)
    return is_scalar(value)


def bounded(value: Value) -> Value:
    """Return the value; raises `NotConstantError` if it is too large or of an unsupported type."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotConstantError
    elif isinstance(value, bool | None):
        pass
    elif isinstance(value, int):
        if abs(value) > MAX_NUMBER:
            raise NotConstantError
    elif isinstance(value, str | list | tuple | dict):
        if len(value) > MAX_LENGTH:
            raise NotConstantError
    else:
        raise NotConstantError
    return value


def binary(sign: ast.operator, left: Value, right: Value) -> Value:
    """The value of `left sign right`."""
    function = _NUMERIC.get(type(sign))
    if function is None:
        raise NotConstantError
    if isinstance(sign, ast.Mod) and isinstance(left, str):
        return _filled(left, right if isinstance(right, tuple) else (right,))
    if is_number(left) and is_number(right):
        if isinstance(sign, ast.Pow) and not (abs(left) <= 1024 and abs(right) <= 64):
            raise NotConstantError
        if isinstance(sign, ast.LShift) and not right <= 53:
            raise NotConstantError
    elif isinstance(sign, ast.Add):
        if not (isinstance(left, str | list | tuple) and type(left) is type(right)):
            raise NotConstantError
    elif isinstance(sign, ast.Mult):
        row, times = (right, left) if is_number(left) else (left, right)
        if not (isinstance(row, str | list | tuple) and isinstance(times, int) and len(row) * times <= MAX_LENGTH):
            raise NotConstantError
    else:
        raise NotConstantError
    return _tried(lambda: function(left, right))


def _filled(text: str, values: tuple[Value, ...]) -> Value:
    """`text % values`, only for simple placeholders such as `%d` and `%s`, which names of layers use."""
    places = _PLACE.findall(text)
    if not all(map(is_scalar, values)) or len(places) != text.count("%") or len(values) > MAX_LENGTH:
        raise NotConstantError
    return _tried(lambda: text % values)


def unary(sign: ast.unaryop, operand: Value) -> Value:
    """The value of `sign operand`, where it is a number."""
    if not is_number(operand):
        raise NotConstantError
    if isinstance(sign, ast.USub):
        return -operand
    if isinstance(sign, ast.UAdd):
        return +operand
    raise NotConstantError


def compare(sign: ast.cmpop, left: Value, right: Value) -> bool:
    """Whether `left sign right`."""
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        raise NotConstantError
    if isinstance(sign, ast.Is | ast.IsNot):
        if left is None or right is None or isinstance(left, bool) or isinstance(right, bool):
            return (left is right) == isinstance(sign, ast.Is)
        return _same(left, right) == isinstance(sign, ast.Is)
    if isinstance(sign, ast.In | ast.NotIn):
        if not isinstance(right, list | tuple | dict | str) or not is_scalar(left):
            raise NotConstantError
        if not isinstance(right, str) and not all(map(is_scalar, right)):
            raise NotConstantError
        return bool(_tried(lambda: left in right)) == isinstance(sign, ast.In)
    if is_plain(left) and is_plain(right):
        return bool(_tried(lambda: _COMPARISONS[type(sign)](left, right)))
    if isinstance(sign, ast.Eq | ast.NotEq):
        return _same(left, right) == isinstance(sign, ast.Eq)
    raise NotConstantError


def _same(left: Value, right: Value) -> bool:
    if isinstance(left, External) and isinstance(right, External):
        return left.path == right.path
    if isinstance(left, UserClass | External) or isinstance(right, UserClass | External):
        return left is right
    raise NotConstantError


def index(row: Value, key: Value) -> Value:
    """The value of `row[key]`; `key` may be a slice."""
    if isinstance(row, list | tuple | str) and isinstance(key, int | slice):
        return _tried(lambda: row[key], checked=False)
    if isinstance(row, dict) and is_scalar(key):
        return _tried(lambda: row[key], checked=False)
    raise NotConstantError


def call(name: str, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    """What a builtin function of Python gives."""
    function = FUNCTIONS.get(name)
    if function is None or any(isinstance(value, Unknown) for value in (*args, *kwargs.values())):
        raise NotConstantError
    return _tried(lambda: function(*args, **kwargs))


def call_math(name: str, args: Sequence[Value]) -> Value:
    """What a function of the module `math` gives."""
    functions: dict[str, Callable[..., Any]] = {
        "ceil": math.ceil,
        "floor": math.floor,
        "sqrt": math.sqrt,
        "log2": math.log2,
        "log": math.log,
        "prod": _product,
    }
    if name not in functions or not all(is_plain(arg) for arg in args):
        raise NotConstantError
    return _tried(lambda: functions[name](*args))


def method(target: Value, name: str, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    """What a method of a list, a dict or a text gives; lists and dicts are changed in place."""
    if isinstance(target, list):
        return _list_method(target, name, args)
    if isinstance(target, dict):
        return _dict_method(target, name, args, kwargs)
    if isinstance(target, str):
        if name == "format" and "{" not in target.replace("{}", ""):
            if not all(map(is_scalar, args)) or target.count("{}") != len(args):
                raise NotConstantError
            pieces = target.split("{}")
            return bounded("".join(a + b for a, b in zip(pieces, [*map(str, args), ""], strict=True)))
        if name in ("lower", "upper", "strip", "startswith", "endswith", "split") and all(map(is_scalar, args)):
            return _tried(lambda: getattr(target, name)(*args))
    raise NotConstantError


def _list_method(target: list[Value], name: str, args: Sequence[Value]) -> Value:
    if name in ("append", "extend", "insert"):
        more = len(args[0]) if name == "extend" and args and isinstance(args[0], list | tuple) else 1
        if name == "extend" and not (args and isinstance(args[0], list | tuple)):
            raise NotConstantError
        if len(target) + more > MAX_LENGTH:
            raise NotConstantError
        more_args = (list(args[0]),) if name == "extend" else args
        return _tried(lambda: getattr(target, name)(*more_args))
    if name in ("pop", "reverse", "clear", "copy"):
        return _tried(lambda: getattr(target, name)(*args), checked=name == "copy")
    raise NotConstantError


def _dict_method(target: dict[Any, Value], name: str, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    if name in ("items", "keys", "values") and not args:
        return list(getattr(target, name)())
    if name in ("get", "pop", "setdefault") and args and is_scalar(args[0]):
        return _tried(lambda: getattr(target, name)(*args), checked=False)
    if name == "update" and len(args) <= 1 and all(isinstance(arg, dict) for arg in args):
        target.update(*args, **kwargs)
        return bounded(target) and None
    raise NotConstantError


def _tried(function: Callable[[], Value], *, checked: bool = True) -> Value:
    try:
        value = function()
    except _FAILURES:
        raise NotConstantError from None
    return bounded(value) if checked else value


def _product(*args: Any) -> Any:
    return math.prod(args[0])


def _row(value: Value) -> list[Value]:
    """What a loop over the value goes through."""
    if isinstance(value, list | tuple | str | dict):
        return list(value)
    raise NotConstantError


def _mapping(pairs: Value) -> dict[Any, Value]:
    listed = list(pairs.items()) if isinstance(pairs, dict) else _row(pairs)
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 and is_scalar(pair[0]) for pair in listed):
        raise NotConstantError
    return dict(listed)


def _scalars(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, for scalars and flat rows of scalars: comparing deep lists could take for ever."""

    def checked(*args: Value, **kwargs: Value) -> Value:
        for arg in args:
            if not is_scalar(arg) and not all(map(is_scalar, _row(arg))):
                raise NotConstantError
        if kwargs:
            raise NotConstantError
        return function(*args)

    return checked


def _range(*args: Value) -> list[int]:
    numbers = range(*args)
    if len(numbers) > MAX_LENGTH:
        raise NotConstantError
    return list(numbers)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "range": _range,
    "len": lambda row: len(_row(row)),
    "list": lambda row=(): _row(row),
    "tuple": lambda row=(): tuple(_row(row)),
    "reversed": lambda row: _row(row)[::-1],
    "enumerate": lambda row, start=0: [(start + number, item) for number, item in enumerate(_row(row))],
    "zip": lambda *rows, strict=False: list(zip(*map(_row, rows), strict=strict)),
    "dict": lambda pairs=(), **more: _mapping(pairs) | more,
    "int": _scalars(int),
    "float": _scalars(float),
    "str": lambda value="": str(value) if is_scalar(value) else _row(None),
    "bool": _scalars(bool),
    "abs": _scalars(abs),
    "round": _scalars(round),
    "min": _scalars(min),
    "max": _scalars(max),
    "sum": _scalars(sum),
    "sorted": _scalars(sorted),
    "any": _scalars(any),
    "all": _scalars(all),
}
