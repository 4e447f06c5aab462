"""The editor's form read as edits: typed fields first, then the operations of the button that was pressed.

Every field of the form is posted each time. Those whose text differs from the stored value become edits, so a
field that was typed in and a button pressed right after it are saved together. Nothing is applied when any
text cannot be read.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.document import Block, Document
from scv.blocks.message import Message, say
from scv.blocks.operations import Add, Duplicate, Move, Operation, Remove, SetParams, apply, read_operations
from scv.blocks.params import Param, ParamError
from scv.blocks.training import FIELDS, TrainingSettings

Form = Mapping[str, str]

MAX_FIELD = 200
"""Longest text of a field that is looked at."""


class FieldsRefusedError(Exception):
    """Some typed texts cannot be read: their messages by field name. The document stays as it was."""

    def __init__(self, messages: dict[str, Message]) -> None:
        self.messages = messages
        super().__init__(", ".join(messages))


class Edit(msgspec.Struct, frozen=True):
    """A form's outcome: the new document and settings, what was done, and the block that it was done to."""

    document: Document
    settings: TrainingSettings
    done: tuple[Operation, ...]
    block: str | None


def read_edit(form: Form, document: Document, settings: TrainingSettings) -> Edit:
    """Apply a posted form. Raises `FieldsRefusedError`, or `OperationError` for a button's operation."""
    pressed = read_operations(form["operation"]) if form.get("operation") else ()
    leaving = {operation.block for operation in pressed if isinstance(operation, Remove)}
    refused: dict[str, Message] = {}
    typed = _typed_params(form, document, leaving, refused)
    settings = _typed_settings(form, settings, refused)
    if refused:
        raise FieldsRefusedError(refused)
    chosen = form.get("block") or None
    done = (*typed, *pressed)
    for operation in done:
        before, document = document, apply(document, operation)
        chosen = _touched(operation, before, document)
    return Edit(document, settings, done, chosen)


def param_field(block: str, name: str) -> str:
    """The form field of a block's parameter."""
    return f"param:{block}:{name}"


def setting_field(name: str) -> str:
    """The form field of a training setting."""
    return f"setting:{name}"


def shown_value(param: Param, value: Any) -> str:
    """What stands in the field of a stored value, which a foreign document may hold in any form."""
    try:
        return param.written(param.validate(value))
    except ParamError:
        return str(value)[:MAX_FIELD]


def _typed_params(
    form: Form, document: Document, leaving: set[str], refused: dict[str, Message]
) -> tuple[Operation, ...]:
    found: list[Operation] = []
    for block in document.blocks:
        kind = CATALOGUE.get(block.type)
        if kind is None or block.id in leaving:
            continue
        changed: dict[str, Any] = {}
        for param in kind.params:
            field = param_field(block.id, param.name)
            present = shown_value(param, block.params.get(param.name, param.default))
            if field not in form or form[field].strip() == present:
                continue
            try:
                changed[param.name] = param.parse(form[field][:MAX_FIELD])
            except ParamError as error:
                refused[field] = error.message
        if changed:
            found.append(SetParams(block.id, changed))
    return tuple(found)


def _typed_settings(form: Form, settings: TrainingSettings, refused: dict[str, Message]) -> TrainingSettings:
    changed: dict[str, Any] = {}
    for param in FIELDS:
        field = setting_field(param.name)
        if field not in form or form[field].strip() == param.written(getattr(settings, param.name)):
            continue
        try:
            changed[param.name] = param.parse(form[field][:MAX_FIELD])
        except ParamError as error:
            refused[field] = error.message
    return msgspec.structs.replace(settings, **changed)


def _touched(operation: Operation, before: Document, after: Document) -> str | None:
    """The block to look at after an operation; beside a removed one, its neighbour."""
    match operation:
        case Add() | Duplicate():
            old = {block.id for block in before.blocks}
            return next(block.id for block in after.blocks if block.id not in old)
        case Remove(block=block):
            index = min(_position(before.blocks, block), len(after.blocks) - 1)
            return after.blocks[index].id if after.blocks else None
        case Move(block=block) | SetParams(block=block):
            return block


def _position(blocks: tuple[Block, ...], block_id: str) -> int:
    return next((index for index, block in enumerate(blocks) if block.id == block_id), 0)


def describe(edit: Edit, before: Document, outputs: Mapping[str, Message | None]) -> Message | None:
    """One sentence for the live region: what was done, and what the block gives now (`outputs` by block id)."""
    if not edit.done:
        return None
    if len(edit.done) > 1:
        return say("{count} changes made.", count=len(edit.done))
    operation = edit.done[0]
    blocks = {block.id: block for block in (*before.blocks, *edit.document.blocks)}
    match operation:
        case Remove(block=block):
            return say("{type} removed.", type=blocks[block].type)
        case Add() | Duplicate() | Move():
            block_id = edit.block or ""
            place = _position(edit.document.blocks, block_id) + 1
            words = {
                Add: say("{type} added at position {place}.", type=blocks[block_id].type, place=place),
                Duplicate: say("{type} copied to position {place}.", type=blocks[block_id].type, place=place),
                Move: say("{type} moved to position {place}.", type=blocks[block_id].type, place=place),
            }
            sentence = words[type(operation)]
        case SetParams(block=block_id):
            sentence = say("{type} changed.", type=blocks[block_id].type)
    output = outputs.get(block_id)
    return say("{sentence} {output}", sentence=sentence, output=output) if output else sentence
