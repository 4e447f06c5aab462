"""Versions: the documents and training settings of a model."""

from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager

from scv.blocks.message import say
from scv.db.tables import Model, User, Version, now
from scv.errors import ConflictError, NotFoundError


def _of(user: User, model_id: int, number: int | None) -> Select[Version]:
    query = (
        select(Version)
        .join(Version.model)
        .where(Model.id == model_id, Model.user_id == user.id)
        .options(contains_eager(Version.model))
    )
    if number is None:
        return query.order_by(Version.number.desc()).limit(1)
    return query.where(Version.number == number)


async def _one(session: AsyncSession, query: Select[Version]) -> Version:
    version = await session.scalar(query)
    if version is None:
        raise NotFoundError(say("There is no such version."))
    return version


async def get_version_for(session: AsyncSession, user: User, model_id: int, number: int) -> Version:
    """A version of the user's model, with its model; raises `NotFoundError`."""
    return await _one(session, _of(user, model_id, number))


async def get_newest_version_for(session: AsyncSession, user: User, model_id: int) -> Version:
    """The version with the highest number, with its model; raises `NotFoundError`."""
    return await _one(session, _of(user, model_id, None))


async def get_editable_version_for(session: AsyncSession, user: User, model_id: int, number: int) -> Version:
    """As `get_version_for`, and nobody else writes to it until the session ends."""
    return await _one(session, _of(user, model_id, number).with_for_update(of=Version))


async def save_document(session: AsyncSession, version: Version, document: str, expected_revision: int) -> int:
    """Store the document (JSON text) over the revision that the user has seen; returns the new revision.

    Raises `ConflictError` when the version has another revision by now.
    """
    return await _save(session, version, expected_revision, document=document, settings=version.settings)


async def save_settings(session: AsyncSession, version: Version, settings: str, expected_revision: int) -> int:
    """Store the training settings (JSON text) in the same way as `save_document`."""
    return await _save(session, version, expected_revision, document=version.document, settings=settings)


async def _save(
    session: AsyncSession, version: Version, expected_revision: int, *, document: str, settings: str
) -> int:
    moment = now()
    revision: int | None = await session.scalar(
        update(Version)
        .where(Version.id == version.id, Version.revision == expected_revision)
        .values(document=document, settings=settings, revision=Version.revision + 1, updated_at=moment)
        .returning(Version.revision)
    )
    if revision is None:
        raise ConflictError(say("This was changed elsewhere in the meantime. Here is its present state."))
    await session.execute(update(Model).where(Model.id == version.model_id).values(updated_at=moment))
    return revision
