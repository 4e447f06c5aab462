"""A block document: a network as its user built it, and its JSON form.

The JSON form is stable (`format: 1`) and documented in docs/FORMAT.md:

    {"format": 1, "blocks": [{"id": "c1", "type": "Conv2d", "params": {"out_channels": 32}},
                             {"id": "r1", "type": "Residual", "branches": [[...], [...]]}]}

Parameters that are left out take their defaults. A document may be wrong (that is what `check` says); it is
malformed only when this file cannot read it.
"""

import re
from typing import Any, Literal

import msgspec

from scv.message import Message, say

MAX_BYTES = 4_000_000
"""Longest JSON text that is read at all."""

MAX_BLOCKS = 400
"""Most blocks a network may have; the check says so, and no operation adds one more."""

MAX_DEPTH = 6
"""How deep containers may be nested."""

_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


class DocumentError(Exception):
    """The text is no block document; `message` says where it goes wrong."""

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
    """A network as its user built it, from the image down to the answer."""

    format: Literal[1] = 1
    blocks: tuple[Block, ...] = ()


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


def valid_id(block_id: str) -> bool:
    """Whether an id may stand in a document: a letter, then letters, digits, `_` or `-`, 40 at most."""
    return _ID.fullmatch(block_id) is not None
