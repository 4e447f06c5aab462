"""Columns that hold a struct as JSON text: rows give the struct, the database keeps the text byte for byte."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

import msgspec

from scv.blocks.document import Block, Document, decode, encode
from scv.training.settings import TrainingSettings

T = TypeVar("T")


class Stored(Generic[T]):
    """An attribute that is a struct, beside the mapped attribute of its JSON text.

    The text is decoded where the struct is first looked at, not where the row is loaded: lists pay nothing for what
    they do not show, and a row whose text cannot be read is still loaded, listed and deleted. Looking at the struct
    raises what `decode` raises.
    """

    def __init__(self, text: str, decode: Callable[[str], T], encode: Callable[[T], bytes]) -> None:
        """`text` is the name of the mapped attribute."""
        self._text = text
        self._decode = decode
        self._encode = encode

    @overload
    def __get__(self, row: None, owner: Any) -> "Stored[T]": ...
    @overload
    def __get__(self, row: object, owner: Any) -> T: ...
    def __get__(self, row: object | None, owner: Any) -> "T | Stored[T]":
        if row is None:
            return self
        text = getattr(row, self._text)
        kept = row.__dict__.get(f"{self._text} decoded")
        if kept is None or kept[0] is not text:
            kept = row.__dict__[f"{self._text} decoded"] = (text, self._decode(text))
        value: T = kept[1]
        return value

    def __set__(self, row: object, value: T) -> None:
        text = self._encode(value).decode()
        setattr(row, self._text, text)
        row.__dict__[f"{self._text} decoded"] = (text, value)


def stored_document(text: str) -> Stored[Document]:
    """A block document, of the mapped attribute `text`. Reading it raises `DocumentError`."""
    return Stored(text, decode, encode)


def stored_settings(text: str) -> Stored[TrainingSettings]:
    """Training settings, of the mapped attribute `text`. Reading them raises `msgspec.DecodeError`."""
    return Stored(text, _settings, msgspec.json.encode)


def stored_blocks(text: str) -> Stored[tuple[Block, ...]]:
    """Blocks, of the mapped attribute `text`. Reading them raises `msgspec.DecodeError`."""
    return Stored(text, _blocks, msgspec.json.encode)


def _settings(text: str) -> TrainingSettings:
    return msgspec.json.decode(text, type=TrainingSettings)


def _blocks(text: str) -> tuple[Block, ...]:
    return msgspec.json.decode(text, type=tuple[Block, ...])
