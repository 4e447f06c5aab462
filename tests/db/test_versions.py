import asyncio

import pytest

from scv.db import versions
from scv.db.engine import Database
from scv.db.tables import Model, User, Version
from scv.errors import ConflictError, NotFoundError, RefusedError
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
        session.add(Version(model_id=model.id, number=2, document="{}", settings="{}"))
    async with database.reading() as session:
        assert (await versions.get_newest_visible_version(session, ada, model.id)).number == 2


async def test_a_save_over_a_stale_revision_writes_nothing(database: Database) -> None:
    ada = await add_user(database)
    model = await add_model(database, ada)
    async with database.writing() as session:
        version = await versions.get_editable_version(session, ada, model.id, 1)
        assert await versions.save_document(session, version, "one", 0) == 1
    async with database.writing() as session:
        version = await versions.get_editable_version(session, ada, model.id, 1)
        with pytest.raises(ConflictError):
            await versions.save_document(session, version, "two", 0)
        assert await versions.save_settings(session, version, "fast", 1) == 2
    async with database.reading() as session:
        version = await versions.get_visible_version(session, ada, model.id, 1)
    assert (version.document, version.settings, version.revision) == ("one", "fast", 2)
    assert version.model.updated_at == version.updated_at > model.updated_at


async def test_of_two_edits_of_one_revision_exactly_one_is_saved(database: Database) -> None:
    ada = await add_user(database)
    model = await add_model(database, ada)

    async def edit(text: str) -> int:
        async with database.writing() as session:
            version = await versions.get_editable_version(session, ada, model.id, 1)
            return await versions.save_document(session, version, text, 0)

    results = await asyncio.gather(*(edit(f"edit {n}") for n in range(6)), return_exceptions=True)
    assert results.count(1) == 1
    assert sum(isinstance(result, ConflictError) for result in results) == 5


async def test_changes_are_undone_and_redone_one_by_one(database: Database) -> None:
    user = await add_user(database)
    model = await add_model(database, user)
    for text in ("one", "two", "three"):
        await save(database, user, model, text)
    assert await document_after(database, user, model, -1) == "two"
    assert await document_after(database, user, model, -1) == "one"
    assert await document_after(database, user, model, 1) == "two"
    await save(database, user, model, "other")
    assert await ends(database, user, model) == (True, False)
    with pytest.raises(RefusedError, match="nothing to redo"):
        await document_after(database, user, model, 1)
    for text in ("two", "one", DOCUMENT):
        assert await document_after(database, user, model, -1) == text
    assert await ends(database, user, model) == (False, True)
    with pytest.raises(RefusedError, match="nothing more to undo"):
        await document_after(database, user, model, -1)


async def test_the_history_keeps_the_newest_changes(database: Database) -> None:
    user = await add_user(database)
    model = await add_model(database, user)
    for number in range(versions.MOST_STEPS + 10):
        await save(database, user, model, f"state {number}")
    for number in reversed(range(9, versions.MOST_STEPS + 9)):
        assert await document_after(database, user, model, -1) == f"state {number}"
    assert (await ends(database, user, model))[0] is False


DOCUMENT = '{"format":1,"blocks":[]}'


async def save(database: Database, user: User, model: Model, document: str) -> None:
    async with database.writing() as session:
        version = await versions.get_editable_version(session, user, model.id, 1)
        await versions.save_document(session, version, document, version.revision)


async def document_after(database: Database, user: User, model: Model, by: int) -> str:
    async with database.writing() as session:
        version = await versions.get_editable_version(session, user, model.id, 1)
        await versions.move_in_history(session, version, by, version.revision)
    async with database.reading() as session:
        return (await versions.get_visible_version(session, user, model.id, 1)).document


async def ends(database: Database, user: User, model: Model) -> tuple[bool, bool]:
    async with database.reading() as session:
        return await versions.history_of(session, await versions.get_visible_version(session, user, model.id, 1))
