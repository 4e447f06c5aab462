"""Versions: the documents and training settings of a model."""

from typing import Any

from sqlalchemy import Select, delete, exists, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager

from scv.db.access import Permission, editable_by, load, visible_to
from scv.db.tables import DatasetVersion, DocumentState, Model, User, Version, now
from scv.errors import ConflictError, RefusedError
from scv.message import say

MOST_STEPS = 200
"""How many changes of a document can be undone."""


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


async def save_document(session: AsyncSession, version: Version, document: str, expected_revision: int) -> int:
    """Store the document (JSON text) over the revision that the user has seen; returns the new revision.

    The state before it can be brought back by `undo`; what had been undone can not be any more. Raises
    `ConflictError` when the version has another revision by now.
    """
    before, step = version.document, version.step
    revision = await _save(session, version, expected_revision, document=document, step=step + 1)
    states = delete(DocumentState).where(DocumentState.version_id == version.id)
    await session.execute(states.where(or_(DocumentState.step >= step, DocumentState.step <= step - MOST_STEPS)))
    await session.execute(
        insert(DocumentState).values(
            [
                {"version_id": version.id, "step": step, "document": before},
                {"version_id": version.id, "step": step + 1, "document": document},
            ]
        )
    )
    return revision


async def move_in_history(session: AsyncSession, version: Version, by: int, expected_revision: int) -> int:
    """Undo (`by` = -1) or redo (1) one change of the document; returns the new revision.

    Raises `ConflictError` as `save_document` does, and `RefusedError` at either end of the history.
    """
    document = await session.scalar(
        select(DocumentState.document).where(
            DocumentState.version_id == version.id, DocumentState.step == version.step + by
        )
    )
    if document is None:
        raise RefusedError(say("There is nothing more to undo.") if by < 0 else say("There is nothing to redo."))
    return await _save(session, version, expected_revision, document=document, step=version.step + by)


async def history_of(session: AsyncSession, version: Version) -> tuple[bool, bool]:
    """Whether something can be undone, and whether something can be redone."""
    states = exists().where(DocumentState.version_id == version.id)
    before, after = (
        await session.execute(
            select(states.where(DocumentState.step < version.step), states.where(DocumentState.step > version.step))
        )
    ).one()
    return before, after


async def save_settings(session: AsyncSession, version: Version, settings: str, expected_revision: int) -> int:
    """Store the training settings (JSON text) in the same way as `save_document`; undo leaves them alone."""
    return await _save(session, version, expected_revision, settings=settings)


async def _save(session: AsyncSession, version: Version, expected_revision: int, **values: Any) -> int:
    moment = now()
    revision: int | None = await session.scalar(
        update(Version)
        .where(Version.id == version.id, Version.revision == expected_revision)
        .values(**values, revision=Version.revision + 1, updated_at=moment)
        .returning(Version.revision)
    )
    if revision is None:
        raise _changed_elsewhere()
    await session.execute(update(Model).where(Model.id == version.model_id).values(updated_at=moment))
    return revision
