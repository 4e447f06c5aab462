"""Versions: the documents and training settings of a model."""

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Select, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager
from sqlalchemy.orm.attributes import set_committed_value

from scv.blocks.document import Block, Document, encode
from scv.db.access import Permission, editable_by, load, owned_by, visible_to
from scv.db.base import now
from scv.db.datasets import newest_name
from scv.db.tables import Clipboard, DatasetVersion, DocumentState, Model, User, Version
from scv.errors import ConflictError, RefusedError
from scv.message import say
from scv.training.settings import TrainingSettings

MOST_STEPS = 200
"""How many changes of a document can be undone at least."""

PRUNED_AT_ONCE = 20
"""So many more are kept before the oldest are deleted, so that few edits have to delete any."""


def _of(model_id: int, number: int | None) -> Select[Version]:
    query = (
        select(Version)
        .join(Version.model)
        .where(Model.id == model_id)
        .options(contains_eager(Version.model).joinedload(Model.own).joinedload(DatasetVersion.dataset))
    )
    if number is None:
        return query.order_by(Version.number.desc()).limit(1)
    return query.where(Version.number == number)


async def _load(session: AsyncSession, query: Select[Version], user: User, permission: Permission) -> Version:
    return await load(session, query, user, Version, permission, missing=say("There is no such version."))


async def get_visible_version(session: AsyncSession, user: User, model_id: int, number: int) -> Version:
    """A version that the user may look at, with its model; raises `NotFoundError`."""
    return await _load(session, _of(model_id, number), user, visible_to)


async def get_newest_visible_version(session: AsyncSession, user: User, model_id: int) -> Version:
    """The version with the highest number, with its model; raises `NotFoundError`."""
    return await _load(session, _of(model_id, None), user, visible_to)


async def get_editable_version(session: AsyncSession, user: User, model_id: int, number: int) -> Version:
    """A version that the user may change, with its model; nobody else writes to it until the session ends.

    Raises `NotFoundError`, and `NotAllowedError` where the user may only look at it.
    """
    return await _load(session, _of(model_id, number).with_for_update(of=Version, key_share=True), user, editable_by)


def refuse_stale(version: Version, seen: str | None) -> None:
    """Raise `ConflictError` where a form was made of another revision than the version has, by its own word."""
    if seen != str(version.revision):
        raise _changed_elsewhere()


def _changed_elsewhere() -> ConflictError:
    return ConflictError(say("This was changed elsewhere in the meantime. Here is its present state."))


class History(NamedTuple):
    """The states of a version's document that undo and redo can bring back: the first and the last `step` kept.

    Both are None where nothing was changed yet.
    """

    first: int | None
    last: int | None

    def can_undo(self, version: Version) -> bool:
        """Whether there is a state before the present one."""
        return self.first is not None and self.first < version.step

    def can_redo(self, version: Version) -> bool:
        """Whether there is a state after the present one, which was undone."""
        return self.last is not None and self.last > version.step


class Surroundings(NamedTuple):
    """What the editor shows beside a version: its history, the user's clipboard, a newer version of its dataset."""

    history: History
    clipboard: tuple[Block, ...]
    newer_dataset: str | None


_STATES = DocumentState.version_id == bindparam("version_id")

_HISTORY = select(
    select(func.min(DocumentState.step)).where(_STATES).scalar_subquery(),
    select(func.max(DocumentState.step)).where(_STATES).scalar_subquery(),
)

_SURROUNDINGS = _HISTORY.add_columns(
    select(Clipboard.blocks_json).where(owned_by(bindparam("user_id"), Clipboard)).scalar_subquery(),
    newest_name(bindparam("dataset_id"), bindparam("number")).scalar_subquery(),
)
"""Built once, since every edit asks it."""


async def surroundings_of(session: AsyncSession, user: User, version: Version) -> Surroundings:
    """All of it in one statement. `version` is loaded with its model and the model's own dataset version."""
    own = version.model.own
    values = {"version_id": version.id, "user_id": user.id}
    values |= {"dataset_id": own.dataset_id, "number": own.number} if own else {"dataset_id": 0, "number": 0}
    first, last, blocks, name = (await session.execute(_SURROUNDINGS, values)).one()
    clipboard = () if blocks is None else Clipboard(blocks_json=blocks).readable
    return Surroundings(History(first, last), clipboard, name)


async def history_of(session: AsyncSession, version: Version) -> History:
    """Which states of the version's document are kept."""
    found = await session.execute(_HISTORY, {"version_id": version.id})
    return History(*found.one())


async def save_document(
    session: AsyncSession, version: Version, document: Document, expected_revision: int, history: History | None = None
) -> History:
    """Store the document over the revision that the user has seen; `version` has the new revision then.

    The state before it can be brought back by `undo`; what had been undone can not be any more. `history` is what
    `history_of` gives, where that was read in this session already; returned is the new one. Raises `ConflictError`
    when the version has another revision by now.
    """
    first, last = history or await history_of(session, version)
    before, step = version.document_json, version.step
    await _save(session, version, expected_revision, document_json=encode(document).decode(), step=step + 1)
    oldest = step + 1 if first is None else first
    prune = oldest < step - MOST_STEPS - PRUNED_AT_ONCE
    if prune or (last is not None and last > step):
        oldest = max(oldest, step + 1 - MOST_STEPS) if prune else oldest
        states = delete(DocumentState).where(DocumentState.version_id == version.id)
        await session.execute(states.where(or_(DocumentState.step > step, DocumentState.step < oldest)))
    rows = [{"version_id": version.id, "step": step + 1, "document_json": version.document_json}]
    if last is None:
        oldest = step
        rows.append({"version_id": version.id, "step": step, "document_json": before})
    await session.execute(insert(DocumentState).values(rows))
    return History(oldest, step + 1)


async def move_in_history(session: AsyncSession, version: Version, by: int, expected_revision: int) -> None:
    """Undo (`by` = -1) or redo (1) one change of the document; `version` has the new state and revision then.

    Raises `ConflictError` as `save_document` does, and `RefusedError` at either end of the history.
    """
    document = await session.scalar(
        select(DocumentState.document_json).where(
            DocumentState.version_id == version.id, DocumentState.step == version.step + by
        )
    )
    if document is None:
        raise RefusedError(say("There is nothing more to undo.") if by < 0 else say("There is nothing to redo."))
    await _save(session, version, expected_revision, document_json=document, step=version.step + by)


async def save_settings(
    session: AsyncSession, version: Version, settings: TrainingSettings, expected_revision: int
) -> None:
    """Store the training settings in the same way as `save_document`; undo leaves them alone."""
    await _save(session, version, expected_revision, settings_json=msgspec.json.encode(settings).decode())


async def _save(session: AsyncSession, version: Version, expected_revision: int, **values: Any) -> None:
    moment = now()
    values |= {"revision": expected_revision + 1, "updated_at": moment}
    saved = await session.scalar(
        update(Version)
        .where(Version.id == version.id, Version.revision == expected_revision)
        .values(values)
        .returning(Version.id)
        .execution_options(synchronize_session=False)
    )
    if saved is None:
        raise _changed_elsewhere()
    for name, value in values.items():
        set_committed_value(version, name, value)
    await session.execute(
        update(Model)
        .where(Model.id == version.model_id)
        .values(updated_at=moment)
        .execution_options(synchronize_session=False)
    )
    set_committed_value(version.model, "updated_at", moment)
