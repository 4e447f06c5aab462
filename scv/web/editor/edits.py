"""The editor's form read as edits: typed fields first, then the operations of the button that was pressed.

Every field of the form is posted each time. Those whose text differs from the stored value become edits, so a
field that was typed in and a button pressed right after it are saved together. Nothing is applied when any
text cannot be read.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from scv.blocks.block import Container
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.document import Document
from scv.blocks.operations import (
    Add,
    AddBranch,
    Duplicate,
    Move,
    Operation,
    Paste,
    Remove,
    RemoveBranch,
    SetParams,
    apply,
)
from scv.blocks.params import ParamError
from scv.blocks.tree import Spot, chain_at, find, taken, walk
from scv.message import Message, foreign, say
from scv.training.settings import TrainingSettings
from scv.web.blocks_view.form_fields import MAX_FIELD, param_field, shown_value, typed_settings
from scv.web.http.forms import Form


class FieldsRefusedError(Exception):
    """Some typed texts cannot be read: their messages by field name. The document stays as it was."""

    def __init__(self, messages: dict[str, Message]) -> None:
        self.messages = messages
        super().__init__(", ".join(messages))


class Edit(msgspec.Struct, frozen=True):
    """A form's outcome: the new document and settings, what was done, and the block or branch it was done to."""

    document: Document
    settings: TrainingSettings
    done: tuple[Operation, ...]
    block: str | None
    branch: int | None


def read_edit(form: Form, document: Document, settings: TrainingSettings, pressed: tuple[Operation, ...]) -> Edit:
    """Apply a posted form, then the operations of the button that was `pressed`.

    Raises `FieldsRefusedError`, or `OperationError` for a button's operation.
    """
    leaving = _leaving(pressed, document)
    refused: dict[str, Message] = {}
    typed = _typed_params(form, document, leaving, refused)
    settings = typed_settings(form, settings, refused)
    if refused:
        raise FieldsRefusedError(refused)
    chosen: tuple[str | None, int | None] = (form.get("block") or None, None)
    if form.get("branch", "").isdecimal():
        chosen = (chosen[0], int(form["branch"][:3]))
    done = (*typed, *pressed)
    for operation in done:
        before, document = document, apply(document, operation)
        chosen = _touched(operation, before, document)
    return Edit(document, settings, done, *chosen)


def _typed_params(
    form: Form, document: Document, leaving: set[str], refused: dict[str, Message]
) -> tuple[Operation, ...]:
    found: list[Operation] = []
    times = Counter(block.id for block, _ in walk(document.blocks))
    for block, _ in walk(document.blocks):
        kind = CATALOGUE.get(block.type)
        if kind is None or block.id in leaving or times[block.id] > 1:  # fields of one name cannot be told apart
            continue
        changed: dict[str, Any] = {}
        for param in kind.params:
            field = param_field(block.id, param.name)
            if field not in form:
                continue
            if form[field].strip() == shown_value(param, block.params.get(param.name, param.default)):
                continue
            try:
                changed[param.name] = param.parse(form[field][:MAX_FIELD])
            except ParamError as error:
                refused[field] = error.message
        if changed:
            found.append(SetParams(block.id, changed))
    return tuple(found)


def _leaving(pressed: tuple[Operation, ...], document: Document) -> set[str]:
    """The blocks that the pressed button takes out, whose texts no longer matter."""
    leaving: set[str] = set()
    for operation in pressed:
        gone: Any = ()
        if isinstance(operation, Remove):
            gone = (block for block, _ in walk(document.blocks) if block.id == operation.block)
        elif isinstance(operation, RemoveBranch):
            gone = chain_at(document, Spot(operation.block, operation.branch)) or ()
        leaving |= {block.id for block, _ in walk(tuple(gone))}
    return leaving


def _touched(operation: Operation, before: Document, after: Document) -> tuple[str | None, int | None]:
    """The block, or block and branch, to look at after an operation; beside a removed one, its neighbour."""
    match operation:
        case Add() | Duplicate() | Paste():
            return next(iter(new_blocks(before, after)), None), None
        case Remove(block=block):
            spot, position = find(before, block) or (Spot(), 0)
            chain = chain_at(after, spot) or ()
            if chain:
                return chain[min(position, len(chain) - 1)].id, None
            return spot.into, None if spot.into is None else spot.branch
        case AddBranch(block=block):
            return block, _branch_count(after, block) - 1
        case RemoveBranch(block=block, branch=branch):
            return block, min(branch, _branch_count(after, block) - 1)
        case Move(block=block) | SetParams(block=block):
            return block, None


def new_blocks(before: Document, after: Document) -> list[str]:
    """The ids of the blocks that came, a container before what it holds."""
    old = {block.id for block, _ in walk(before.blocks)}
    return [block.id for block, _ in walk(after.blocks) if block.id not in old]


def _branch_count(document: Document, block_id: str) -> int:
    return next((len(block.branches or ()) for block, _ in walk(document.blocks) if block.id == block_id), 0)


def describe(edit: Edit, before: Document, outputs: Mapping[str, Message | None]) -> Message | None:
    """One sentence for the live region: what was done, and what the block gives now (`outputs` by block id)."""
    if not edit.done:
        return None
    if len(edit.done) > 1:
        return say("{count} changes made.", count=len(edit.done))
    operation = edit.done[0]
    match operation:
        case Remove(block=block):
            return say("{type} removed.", type=_type(block, before))
        case AddBranch(block=block):
            return say("{block} has one more branch.", block=foreign(block))
        case RemoveBranch(block=block):
            return say("{block} has one branch less.", block=foreign(block))
        case Add() | Duplicate() | Paste() | Move():
            block_id = edit.block or ""
            name, place = _type(block_id, edit.document), _place(edit.document, block_id)
            words = {
                Add: say("{type} added at {place}.", type=name, place=place),
                Duplicate: say("{type} copied to {place}.", type=name, place=place),
                Paste: say("{type} pasted at {place}.", type=name, place=place),
                Move: say("{type} moved to {place}.", type=name, place=place),
            }
            sentence = words[type(operation)]
        case SetParams(block=block_id):
            sentence = say("{type} changed.", type=_type(block_id, edit.document))
    output = outputs.get(block_id)
    return say("{sentence} {output}", sentence=sentence, output=output) if output else sentence


def _type(block_id: str, document: Document) -> str:
    block = taken(document, block_id)
    return foreign(block.type) if block else ""


def _place(document: Document, block_id: str) -> Message:
    """Where a block stands, in words."""
    spot, position = find(document, block_id) or (Spot(), 0)
    container = next((block for block, _ in walk(document.blocks) if block.id == spot.into), None)
    kind = CATALOGUE.get(container.type) if container else None
    if container is None or not isinstance(kind, Container):
        return say("position {number}", number=position + 1)
    return say(
        "position {number} in {branch} of {container}",
        number=position + 1,
        branch=kind.branch_title(spot.branch),
        container=foreign(container.id),
    )
