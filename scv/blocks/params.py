"""Parameters of blocks: what a value may be, how it is read from a form field and how it is written.

A parameter is data on its block's class. The palette, the form, the check, the code and the documentation
read it from there; nothing else knows a range or a default.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from scv.message import Message, foreign, say

Values = Mapping[str, Any]
"""A block's parameters by name, complete and in canonical form."""


class ParamError(Exception):
    """A value that a parameter cannot take; `message` says what it can."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(str(message))


class Param(msgspec.Struct, frozen=True, kw_only=True):
    """A named parameter, `name` as PyTorch calls it.

    `main` parameters are shown on the block; the others are below it and can be folded away. `label` is the short name
    on the block. `help` is an English text, which is the gettext id, or a message where values are filled in.
    """

    name: str
    default: Any
    help: str | Message
    label: str = ""
    main: bool = False

    kind: ClassVar[str]

    @property
    def short(self) -> str:
        return self.label or self.name

    def validate(self, value: Any) -> Any:
        """Return the value in its canonical form, or raise `ParamError`."""
        raise NotImplementedError

    def parse(self, text: str) -> Any:
        """Read what a person typed into a form field; raises `ParamError`."""
        raise NotImplementedError

    def written(self, value: Any) -> str:
        """The value as a person types it: `parse(written(v)) == v`."""
        return str(value)

    @property
    def range(self) -> Message:
        """What may be typed, in words."""
        raise NotImplementedError

    def refuse(self, value: Any) -> ParamError:
        if value == "":
            return ParamError(say("{name} is empty, but must be {range}.", name=self.name, range=self.range))
        shown = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        return ParamError(
            say(
                "{name} is {value}, but must be {range}.",
                name=self.name,
                value=foreign(shown),
                range=self.range,
            )
        )


_INTEGER = re.compile(r"[+-]?[0-9]{1,9}")
_BETWEEN = re.compile(r"\s*[×x,; ]\s*")


def _whole(value: Any) -> int | None:
    """The JSON value as an integer: 3 and 3.0 are whole numbers, true and "3" are not and give None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, float) and value.is_integer() else None


class Integer(Param, frozen=True, kw_only=True):
    """A whole number from `minimum` to `maximum`."""

    minimum: int
    maximum: int

    kind: ClassVar[str] = "integer"

    def validate(self, value: Any) -> int:
        number = _whole(value)
        if number is None or not self.minimum <= number <= self.maximum:
            raise self.refuse(value)
        return number

    def parse(self, text: str) -> int:
        text = text.strip()
        if not _INTEGER.fullmatch(text):
            raise self.refuse(text)
        return self.validate(int(text))

    @property
    def range(self) -> Message:
        return say("a whole number from {minimum} to {maximum}", minimum=self.minimum, maximum=self.maximum)


class Decimal(Param, frozen=True, kw_only=True):
    """A finite number from `minimum` to `maximum`."""

    minimum: float
    maximum: float

    kind: ClassVar[str] = "decimal"

    def validate(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse(value)
        # Compared before the conversion: an integer of a thousand digits has no float.
        if not self.minimum <= value <= self.maximum:
            raise self.refuse(value)
        return float(value)

    def parse(self, text: str) -> float:
        try:
            number = float(text.strip())
        except ValueError:
            raise self.refuse(text.strip()) from None
        if not math.isfinite(number):
            raise self.refuse(text.strip())
        return self.validate(number)

    def written(self, value: float) -> str:
        return f"{int(value)}" if float(value).is_integer() and abs(value) < 1e9 else repr(value)

    @property
    def range(self) -> Message:
        return say(
            "a number from {minimum} to {maximum}",
            minimum=self.written(self.minimum),
            maximum=self.written(self.maximum),
        )


class Flag(Param, frozen=True, kw_only=True):
    """Yes or no."""

    kind: ClassVar[str] = "flag"

    def validate(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self.refuse(value)
        return value

    def parse(self, text: str) -> bool:
        words = {"true": True, "false": False}
        if text.strip().lower() not in words:
            raise self.refuse(text.strip())
        return words[text.strip().lower()]

    def written(self, value: bool) -> str:
        return "true" if value else "false"

    @property
    def range(self) -> Message:
        return say("true or false")


class Choice(Param, frozen=True, kw_only=True):
    """One of a few words."""

    options: tuple[str, ...]

    kind: ClassVar[str] = "choice"

    def validate(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.options:
            raise self.refuse(value)
        return value

    def parse(self, text: str) -> str:
        return self.validate(text.strip())

    @property
    def range(self) -> Message:
        return say("one of {options}", options=", ".join(self.options))


class Numbers(Param, frozen=True, kw_only=True):
    """One whole number for all sides, or one for each: `3`, or `3 × 5`.

    The canonical form is the single number where all are equal, else a tuple. `words` are accepted beside numbers;
    `empty` allows None, which is an empty field.
    """

    minimum: int
    maximum: int
    words: tuple[str, ...] = ()
    empty: bool = False

    length: ClassVar[int]

    def validate(self, value: Any) -> int | tuple[int, ...] | str | None:
        if value is None and self.empty:
            return None
        if isinstance(value, str) and value in self.words:
            return value
        listed = value if isinstance(value, list | tuple) else (value,) * self.length
        numbers = tuple(_whole(number) for number in listed)
        if len(numbers) != self.length:
            raise self.refuse(value)
        whole = tuple(n for n in numbers if n is not None and self.minimum <= n <= self.maximum)
        if len(whole) != self.length:
            raise self.refuse(value)
        return whole[0] if len(set(whole)) == 1 else whole

    def parse(self, text: str) -> int | tuple[int, ...] | str | None:
        text = text.strip().strip("()[]").strip()
        if not text and self.empty:
            return None
        if text in self.words:
            return text
        parts = _BETWEEN.split(text)
        if not all(_INTEGER.fullmatch(part) for part in parts):
            raise self.refuse(text)
        numbers = [int(part) for part in parts]
        return self.validate(numbers[0] if len(numbers) == 1 else numbers)

    def written(self, value: int | tuple[int, ...] | str | None) -> str:
        if value is None:
            return ""
        return " × ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


class Size(Numbers, frozen=True, kw_only=True):
    """A height and a width, such as a kernel's."""

    kind: ClassVar[str] = "size"
    length: ClassVar[int] = 2

    @property
    def range(self) -> Message:
        if self.words:
            return say(
                "a whole number from {minimum} to {maximum}, two such as 3 × 5, or one of {words}",
                minimum=self.minimum,
                maximum=self.maximum,
                words=", ".join(self.words),
            )
        return say(
            "a whole number from {minimum} to {maximum}, or two such as 3 × 5",
            minimum=self.minimum,
            maximum=self.maximum,
        )


class Sides(Numbers, frozen=True, kw_only=True):
    """Left, right, top and bottom, in PyTorch's order."""

    kind: ClassVar[str] = "sides"
    length: ClassVar[int] = 4

    @property
    def range(self) -> Message:
        return say(
            "a whole number from {minimum} to {maximum}, or four for left, right, top and bottom",
            minimum=self.minimum,
            maximum=self.maximum,
        )


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width of a `Size` that is no word."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def sides(value: int | tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Left, right, top and bottom of a `Sides`."""
    return (value,) * 4 if isinstance(value, int) else value
