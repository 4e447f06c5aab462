import asyncio

import pytest
from sqlalchemy import func, select

from scv.blocks.document import Block, Document
from scv.db import versions
from scv.db.engine import Database
from scv.db.tables import DocumentState, Model, User, Version
from scv.errors import ConflictError, NotFoundError, RefusedError
from scv.training.settings import TrainingSettings
from tests.db.conftest import add_model, add_user


async def test_a_stranger_finds_no_version(database: Database) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    model = await add_model(database, ada)
    async with database.writing() as session:
        found = await versions.get_visible_version(session, ada, model.id, 1)
        assert found.model.name == "First"
        for loader in (versions.get_visible_version, versions.get_editable_version):
            with pytest.raises(NotFoundError):
                await loader(session, eve, model.id, 1)
            with pytest.raises(NotFoundError):
                await loader(session, ada, model.id, 2)
        with pytest.raises(NotFoundError):
            await versions.get_newest_visible_version(session, eve, model.id)


async def test_the_newest_version_has_the_highest_number(database: Database) -> None:
    ada = await add_user(database)
    model = await add_model(database, ada)
    async with database.writing() as session:
        session.add(Version(model_id=model.id, number=2, document=Document(), settings=TrainingSettings()))
    async with database.reading() as session:
        assert (await versions.get_newest_visible_version(session, ada, model.id)).number == 2


async def test_a_save_over_a_stale_revision_writes_nothing(database: Database) -> None:
    ada = await add_user(database)
    model = await add_model(database, ada)
    async with database.writing() as session:
        version = await versions.get_editable_version(session, ada, model.id, 1)
        await versions.save_document(session, version, network("one"), 0)
        assert version.revision == 1
    async with database.writing() as session:
        version = await versions.get_editable_version(session, ada, model.id, 1)
        with pytest.raises(ConflictError):
            await versions.save_document(session, version, network("two"), 0)
        await versions.save_settings(session, version, TrainingSettings(epochs=9), 1)
        assert (version.revision, version.settings.epochs) == (2, 9)
    async with database.reading() as session:
        version = await versions.get_visible_version(session, ada, model.id, 1)
    saved = (version.document, version.settings, version.revision)
    assert saved == (network("one"), TrainingSettings(epochs=9), 2)
    assert version.model.updated_at == version.updated_at > model.updated_at


async def test_of_two_edits_of_one_revision_exactly_one_is_saved(database: Database) -> None:
    ada = await add_user(database)
    model = await add_model(database, ada)

    async def edit(name: str) -> int:
        async with database.writing() as session:
            version = await versions.get_editable_version(session, ada, model.id, 1)
            await versions.save_document(session, version, network(name), 0)
            return version.revision

    results = await asyncio.gather(*(edit(f"edit{n}") for n in range(6)), return_exceptions=True)
    assert results.count(1) == 1
    assert sum(isinstance(result, ConflictError) for result in results) == 5


async def test_changes_are_undone_and_redone_one_by_one(database: Database) -> None:
    user = await add_user(database)
    model = await add_model(database, user)
    for name in ("one", "two", "three"):
        await save(database, user, model, name)
    assert await document_after(database, user, model, -1) == "two"
    assert await document_after(database, user, model, -1) == "one"
    assert await document_after(database, user, model, 1) == "two"
    await save(database, user, model, "other")
    assert await ends(database, user, model) == (True, False)
    with pytest.raises(RefusedError, match="nothing to redo"):
        await document_after(database, user, model, 1)
    for name in ("two", "one", ""):
        assert await document_after(database, user, model, -1) == name
    assert await ends(database, user, model) == (False, True)
    with pytest.raises(RefusedError, match="nothing more to undo"):
        await document_after(database, user, model, -1)


async def test_the_history_keeps_the_newest_changes(database: Database) -> None:
    user = await add_user(database)
    model = await add_model(database, user)
    saved = versions.MOST_STEPS + 3 * versions.PRUNED_AT_ONCE
    for number in range(saved):
        await save(database, user, model, f"state{number}")
    for number in reversed(range(saved - versions.MOST_STEPS - 1, saved - 1)):
        assert await document_after(database, user, model, -1) == f"state{number}"
    more = 0
    while (await ends(database, user, model))[0]:
        await document_after(database, user, model, -1)
        more += 1
    assert more <= versions.PRUNED_AT_ONCE + 1
    async with database.reading() as session:
        kept = await session.scalar(select(func.count()).select_from(DocumentState))
    assert kept == versions.MOST_STEPS + more + 1


def network(name: str) -> Document:
    """A document that is told from others by the name of its only block."""
    return Document(blocks=(Block(name, "ReLU"),) if name else ())


async def save(database: Database, user: User, model: Model, name: str) -> None:
    async with database.writing() as session:
        version = await versions.get_editable_version(session, user, model.id, 1)
        await versions.save_document(session, version, network(name), version.revision)


async def document_after(database: Database, user: User, model: Model, by: int) -> str:
    async with database.writing() as session:
        version = await versions.get_editable_version(session, user, model.id, 1)
        await versions.move_in_history(session, version, by, version.revision)
    async with database.reading() as session:
        blocks = (await versions.get_visible_version(session, user, model.id, 1)).document.blocks
    return blocks[0].id if blocks else ""


async def ends(database: Database, user: User, model: Model) -> tuple[bool, bool]:
    async with database.reading() as session:
        version = await versions.get_visible_version(session, user, model.id, 1)
        history = await versions.history_of(session, version)
    return history.can_undo(version), history.can_redo(version)
