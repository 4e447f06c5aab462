"""A block document and the operations that change it.

The JSON form is stable (`format: 1`) and documented in docs/FORMAT.md:

    {"format": 1, "blocks": [{"id": "c1", "type": "Conv2d", "params": {"out_channels": 32}}]}

Parameters that are left out take their defaults. A document may be wrong (that is what `check` says); it is
malformed only when this file cannot read it.
"""

import re
from collections.abc import Sequence
from itertools import count
from typing import Any, Literal

import msgspec

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.message import Message, foreign, say

MAX_BYTES = 4_000_000
"""Longest JSON text that is read at all."""

MAX_BLOCKS = 400
"""Most blocks a network may have; the check says so, and no operation adds one more."""

_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


class DocumentError(Exception):
    """The text is no block document; `message` says where it goes wrong."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(str(message))


class OperationError(Exception):
    """The operation does not fit the document, which stays as it was."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(str(message))


class Block(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One block of a document. `branches` belong to containers and hold blocks in turn."""

    id: str
    type: str
    params: dict[str, Any] = {}
    branches: tuple[tuple["Block", ...], ...] | None = None


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network as its user built it, from the picture down to the answer."""

    format: Literal[1] = 1
    blocks: tuple[Block, ...] = ()


class Add(msgspec.Struct, tag_field="op", tag="add", frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Put a new block at `position`, counted from 0; without one, at the end."""

    type: str
    position: int | None = None
    params: dict[str, Any] = {}


class Move(msgspec.Struct, tag_field="op", tag="move", frozen=True, forbid_unknown_fields=True):
    """Take a block out and put it where it then stands at `position`."""

    block: str
    position: int


class Remove(msgspec.Struct, tag_field="op", tag="remove", frozen=True, forbid_unknown_fields=True):
    """Take a block out."""

    block: str


class SetParams(msgspec.Struct, tag_field="op", tag="set", frozen=True, forbid_unknown_fields=True):
    """Set some parameters of a block; the others stay. None takes one back to its default."""

    block: str
    params: dict[str, Any]


class Duplicate(msgspec.Struct, tag_field="op", tag="duplicate", frozen=True, forbid_unknown_fields=True):
    """Put a copy of a block right after it."""

    block: str


Operation = Add | Move | Remove | SetParams | Duplicate


def decode(text: bytes | str) -> Document:
    """Read a document from JSON. Raises `DocumentError`: malformed JSON, wrong structure, far too long."""
    if len(text) > MAX_BYTES:
        raise DocumentError(say("The document is longer than {limit} bytes.", limit=f"{MAX_BYTES:,}"))
    try:
        return msgspec.json.decode(text, type=Document)
    except RecursionError:
        raise DocumentError(say("The document is nested too deeply.")) from None
    except msgspec.ValidationError as error:
        raise DocumentError(say("This is no block document: {reason}.", reason=str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DocumentError(say("This is no valid JSON: {reason}.", reason=str(error))) from None


def encode(document: Document) -> bytes:
    """Write a document as compact JSON; `decode(encode(d)) == d`."""
    return msgspec.json.encode(document)


def read_operations(text: bytes | str) -> tuple[Operation, ...]:
    """Read one operation or a list of them from JSON. Raises `OperationError`."""
    try:
        read = msgspec.json.decode(text, type=Operation | tuple[Operation, ...])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OperationError(say("This edit cannot be read: {reason}.", reason=str(error))) from None
    return read if isinstance(read, tuple) else (read,)


def valid_id(block_id: str) -> bool:
    """Whether an id may stand in a document: a letter, then letters, digits, `_` or `-`, 40 at most."""
    return _ID.fullmatch(block_id) is not None


def apply(document: Document, operation: Operation) -> Document:
    """Return the changed document. Raises `OperationError` and changes nothing where it does not fit."""
    blocks = list(document.blocks)
    match operation:
        case Add(type=kind, position=position, params=params):
            _refuse_unknown(kind)
            _refuse_full(blocks)
            block = Block(_free_id(blocks, kind), kind, _accepted(kind, params))
            blocks.insert(_within(len(blocks) if position is None else position, len(blocks)), block)
        case Move(block=block_id, position=position):
            block = blocks.pop(_index(blocks, block_id))
            blocks.insert(_within(position, len(blocks)), block)
        case Remove(block=block_id):
            del blocks[_index(blocks, block_id)]
        case SetParams(block=block_id, params=params):
            index = _index(blocks, block_id)
            block = blocks[index]
            _refuse_unknown(block.type)
            given = {name: value for name, value in params.items() if value is not None}
            kept = {name: value for name, value in block.params.items() if name not in params}
            merged = kept | _accepted(block.type, given)
            blocks[index] = msgspec.structs.replace(block, params=merged)
        case Duplicate(block=block_id):
            _refuse_full(blocks)
            index = _index(blocks, block_id)
            copy = msgspec.structs.replace(blocks[index], id=_free_id(blocks, blocks[index].type))
            blocks.insert(index + 1, copy)
    return msgspec.structs.replace(document, blocks=tuple(blocks))


def _accepted(kind: str, params: dict[str, Any]) -> dict[str, Any]:
    """The given parameters in canonical form; raises `OperationError` for one that cannot be."""
    values, refused = CATALOGUE[kind].complete(params)
    if refused:
        raise OperationError(next(iter(refused.values())))
    return {name: values[name] for name in params}


def _refuse_unknown(kind: str) -> None:
    if kind not in CATALOGUE:
        raise OperationError(say("There is no block of the type {type}.", type=foreign(kind)))


def _refuse_full(blocks: Sequence[Block]) -> None:
    if len(blocks) >= MAX_BLOCKS:
        raise OperationError(say("A network has at most {limit} blocks.", limit=MAX_BLOCKS))


def _index(blocks: Sequence[Block], block_id: str) -> int:
    for index, block in enumerate(blocks):
        if block.id == block_id:
            return index
    raise OperationError(say("The block {block} is no longer there.", block=foreign(block_id)))


def _within(position: int, last: int) -> int:
    if not 0 <= position <= last:
        raise OperationError(say("Position {position} is outside the network.", position=position))
    return position


def _free_id(blocks: Sequence[Block], kind: str) -> str:
    taken = {block.id for block in blocks}
    stem = CATALOGUE[kind].stem if kind in CATALOGUE else "block"
    return next(name for number in count(1) if (name := f"{stem}{number}") not in taken)
