"""The editor's buttons that need more than the document: the clipboard, the palette's search, the history."""

from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from scv.blocks.document import Block, Document, decode
from scv.blocks.operations import Add, Operation, OperationError, Paste, Remove, apply, read_operations
from scv.blocks.tree import taken
from scv.db import clipboards, versions
from scv.db.tables import User, Version
from scv.errors import RefusedError
from scv.message import Message, foreign, say
from scv.web.blocks_view.place import MAX_SEARCH, Place
from scv.web.editor.edits import Edit, new_blocks
from scv.web.editor.palette import Read, find_kinds, next_spot
from scv.web.http.forms import Form

HISTORY = {"undo": -1, "redo": 1}
"""Actions that go through the history, in its steps."""


async def operations_of(
    session: AsyncSession, user: User, form: Form, document: Document, read: Read
) -> tuple[Operation, ...]:
    """The operations of the pressed button. Raises `OperationError` or `RefusedError`."""
    place = Place.read(form)
    if search := form.get("find", "").strip():
        return (_best_match(search, document, place, read),)
    match form.get("action"):
        case "cut":
            return (Remove(_chosen(document, place).id),)
        case "paste":
            blocks = await copied(session, user)
            if not blocks:
                raise RefusedError(say("Nothing was copied yet: choose a block and press Copy first."))
            spot, position = next_spot(document, place)
            return (Paste(blocks, position, spot.into, spot.branch),)
        case _:
            return read_operations(form["operation"]) if form.get("operation") else ()


def _best_match(search: str, document: Document, place: Place, read: Read) -> Add:
    kinds = find_kinds(search[:MAX_SEARCH], read)
    if not kinds:
        raise RefusedError(say("No block matches “{search}”.", search=foreign(search)))
    spot, position = next_spot(document, place)
    return Add(kinds[0].type, position, into=spot.into, branch=spot.branch)


async def copied(session: AsyncSession, user: User) -> tuple[Block, ...]:
    """What is in the user's clipboard; nothing where another version of SCV left something unknown there."""
    text = await clipboards.clipboard_of(session, user)
    try:
        return msgspec.json.decode(text, type=tuple[Block, ...]) if text else ()
    except msgspec.DecodeError:
        return ()


async def copy(session: AsyncSession, user: User, document: Document, place: Place) -> Message:
    """Put the chosen block into the clipboard; what to announce. Raises `RefusedError`."""
    block = _chosen(document, place)
    await clipboards.set_clipboard(session, user, msgspec.json.encode((block,)).decode())
    return say("{type} copied.", type=foreign(block.type))


async def move_in_history(session: AsyncSession, version: Version, edit: Edit, by: int) -> Edit:
    """Undo or redo over what was just saved; where blocks came back, the first of them is looked at."""
    await versions.move_in_history(session, version, by, version.revision)
    document = decode(version.document)
    came = new_blocks(edit.document, document)
    block, branch = (came[0], None) if came else (edit.block, edit.branch)
    return msgspec.structs.replace(edit, document=document, done=(), block=block, branch=branch)


def again(form: Form, document: Document) -> tuple[str, str] | None:
    """The button that asks the same of the present document; None where it no longer fits, or nothing was asked."""
    action = form.get("action", "")
    if action in HISTORY or (action in ("copy", "cut") and taken(document, form.get("block", "")) is None):
        return None  # it would meet what somebody else did, or another block
    if action:
        return "action", action
    if form.get("find"):
        return "find", form["find"]
    if not form.get("operation"):
        return ("operation", "") if form.get("typed") else None
    try:
        changed: Any = document
        for operation in read_operations(form["operation"]):
            changed = apply(changed, operation)
    except OperationError:
        return None
    return "operation", form["operation"]


def typed_fields(form: Form) -> dict[str, str]:
    """The texts that were typed and not saved; the browser says in which fields."""
    names = set(form.get("typed", "").split())
    return {name: text for name, text in form.items() if name in names}


def _chosen(document: Document, place: Place) -> Block:
    block = taken(document, place.block) if place.block else None
    if block is None:
        raise RefusedError(say("No block is chosen."))
    return block
