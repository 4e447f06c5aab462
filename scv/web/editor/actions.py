"""The editor's buttons that need more than the document: the clipboard, the palette's search, the history."""

from typing import Any

from scv.blocks.document import Block, Document
from scv.blocks.operations import Add, Operation, OperationError, Paste, Remove, apply, read_operations
from scv.blocks.tree import taken
from scv.errors import RefusedError
from scv.message import foreign, say
from scv.web.blocks_view.place import MAX_SEARCH, Place
from scv.web.editor.palette import Read, find_kinds, next_spot
from scv.web.http.forms import Form


def operations_of(form: Form, document: Document, clipboard: tuple[Block, ...], read: Read) -> tuple[Operation, ...]:
    """The operations of the pressed button. Raises `OperationError` or `RefusedError`."""
    place = Place.read(form)
    if search := form.get("find", "").strip():
        return (_add(_best_match(search, read), document, place),)
    if kind := form.get("add"):
        return (_add(kind, document, place),)
    match form.get("action"):
        case "cut":
            return (Remove(chosen_block(document, place).id),)
        case "paste":
            if not clipboard:
                raise RefusedError(say("Nothing was copied yet: select a block and press Copy first."))
            spot, position = next_spot(document, place)
            return (Paste(clipboard, position, spot.into, spot.branch),)
        case _:
            return read_operations(form["operation"]) if form.get("operation") else ()


def _best_match(search: str, read: Read) -> str:
    """The type that a search finds first. Raises `RefusedError`."""
    kinds = find_kinds(search[:MAX_SEARCH], read)
    if not kinds:
        raise RefusedError(say("No block matches “{search}”.", search=foreign(search)))
    return kinds[0].type


def _add(kind: str, document: Document, place: Place) -> Add:
    """A new block where a pressed one goes."""
    spot, position = next_spot(document, place)
    return Add(kind, position, into=spot.into, branch=spot.branch)


def again(form: Form, document: Document) -> tuple[str, str] | None:
    """The button that asks the same of the present document; None where it no longer fits, or nothing was asked."""
    action = form.get("action", "")
    if action in ("undo", "redo") or (action in ("copy", "cut") and taken(document, form.get("block", "")) is None):
        return None  # it would meet what somebody else did, or another block
    if action:
        return "action", action
    for name in ("find", "add"):
        if form.get(name):
            return name, form[name]
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


def chosen_block(document: Document, place: Place) -> Block:
    """The block that is looked at, with all that it holds. Raises `RefusedError` where there is none."""
    block = taken(document, place.block) if place.block else None
    if block is None:
        raise RefusedError(say("No block is selected."))
    return block
