"""What a posted editor form asks for, carried out in one writing session: read, apply, save, announce."""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from scv.blocks.check import check
from scv.blocks.codegen import in_place
from scv.blocks.document import Block
from scv.blocks.findings import Check, errors
from scv.blocks.operations import Operation, OperationError
from scv.blocks.repair import repair_all
from scv.data.official.catalogue import DatasetInfo
from scv.db import clipboards, runs, versions
from scv.db.tables import Run, User, Version
from scv.db.versions import Surroundings
from scv.errors import ConflictError, RefusedError
from scv.message import Message, foreign, say
from scv.settings import Settings
from scv.training.recommend import network_facts, recommended
from scv.web.blocks_view.place import Place
from scv.web.datasets.lookup import dataset_of, refuse_without_images
from scv.web.editor import actions
from scv.web.editor.edits import Edit, FieldsRefusedError, describe, new_blocks, read_edit
from scv.web.editor.palette import Read
from scv.web.editor.view import outputs
from scv.web.http.forms import Form
from scv.web.runs.limits import refuse_too_much

REFUSALS = (ConflictError, OperationError, FieldsRefusedError, RefusedError)
"""Why a form may not be carried out; nothing is changed then."""


@dataclass
class Opened:
    """A version in the session that saves its edits, with its newest runs; `around` is kept up to date.

    `samples_failure` says why the dataset's images are not prepared.
    """

    session: AsyncSession
    user: User
    version: Version
    around: Surroundings
    runs: list[Run]
    samples_failure: Message | None = None

    @property
    def dataset(self) -> DatasetInfo:
        return dataset_of(self.version.model)


class Outcome(NamedTuple):
    """What came of a form: where to look, and what to announce.

    `checked` is the check of the version's document, where it was made on the way.
    """

    place: Place
    announcement: Message | None = None
    checked: Check | None = None


async def carry_out(opened: Opened, form: Form, read: Read) -> Outcome:
    """Do what the form and its button ask for; `read` gives texts in the user's language. Raises one of `REFUSALS`."""
    version, dataset = opened.version, opened.dataset
    action, place = form.get("action", ""), Place.read(form)
    versions.refuse_stale(version, form.get("revision"))
    before = version.document
    edit = _read(version, form, actions.operations_of(form, before, opened.around.clipboard, read))
    whole = _read(version, form, ()).document if action == "cut" else edit.document  # what is cut is copied as typed
    edit, said = _worked_out(edit, action, dataset)
    await _store(opened, edit)
    checked: Check | None = None
    match action:
        case "undo" | "redo":
            edit, said = await _move_in_history(opened, edit, action)
        case "copy" | "cut":
            said = await _copy(opened, actions.chosen_block(whole, place))
        case _:
            checked = check(edit.document, dataset.shape, dataset.classes)
            said = said or describe(edit, before, outputs(checked))
    return Outcome(msgspec.structs.replace(place, block=edit.block, branch=edit.branch), said, checked)


async def start_runs(opened: Opened, form: Form, limits: Settings) -> list[Run]:
    """Save what was typed and queue the runs of exactly that. Raises one of `REFUSALS`."""
    version, dataset = opened.version, opened.dataset
    versions.refuse_stale(version, form.get("revision"))
    edit = _read(version, form, ())
    await _store(opened, edit)
    result = check(edit.document, dataset.shape, dataset.classes)
    if not result.ok:
        block, problem = errors(result)[0]
        raise RefusedError(say("This network cannot be trained yet. {problem}", problem=in_place(block, problem)))
    refuse_without_images(opened.user, version.model)
    await refuse_too_much(opened.session, limits, version, dataset, edit.document, edit.settings)
    return await runs.create_runs(opened.session, version, limits.queued_per_user)


def _read(version: Version, form: Form, pressed: tuple[Operation, ...]) -> Edit:
    return read_edit(form, version.document, version.settings, pressed)


def _worked_out(edit: Edit, action: str, dataset: DatasetInfo) -> tuple[Edit, Message | None]:
    """What an action makes of the document or the settings that were read, and what to announce; others, nothing."""
    match action:
        case "repair":
            repaired = repair_all(edit.document, dataset.shape, dataset.classes)
            left = len(errors(check(repaired.document, dataset.shape, dataset.classes)))
            said = say("{count} fixed, {left} errors left.", count=len(repaired.applied), left=left)
            return msgspec.structs.replace(edit, document=repaired.document), said
        case "recommend":
            facts = network_facts(edit.document, check(edit.document, dataset.shape, dataset.classes))
            settings = recommended(dataset, facts).settings
            return msgspec.structs.replace(edit, settings=settings), say("The recommended settings are set.")
        case _:
            return edit, None


async def _store(opened: Opened, edit: Edit) -> None:
    """Save what an edit changed."""
    session, version, around = opened.session, opened.version, opened.around
    if edit.document != version.document:
        saved = await versions.save_document(session, version, edit.document, version.revision, around.history)
        opened.around = around._replace(history=saved)
    if edit.settings != version.settings:
        await versions.save_settings(session, version, edit.settings, version.revision)


async def _copy(opened: Opened, block: Block) -> Message:
    """Put a block into the clipboard; what to announce."""
    await clipboards.set_clipboard(opened.session, opened.user, (block,))
    opened.around = opened.around._replace(clipboard=(block,))
    return say("{type} copied.", type=foreign(block.type))


async def _move_in_history(opened: Opened, edit: Edit, action: str) -> tuple[Edit, Message]:
    """Undo or redo over what was just saved; where blocks came back, the first of them is looked at."""
    version = opened.version
    await versions.move_in_history(opened.session, version, -1 if action == "undo" else 1, version.revision)
    came = new_blocks(edit.document, version.document)
    block, branch = (came[0], None) if came else (edit.block, edit.branch)
    edit = msgspec.structs.replace(edit, document=version.document, done=(), block=block, branch=branch)
    return edit, say("Undone.") if action == "undo" else say("Redone.")
