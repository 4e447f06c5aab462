from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text

from scv.db import models
from scv.db.engine import Database
from scv.db.models import PAGE_SIZE, ModelPage
from scv.db.tables import User
from scv.errors import NotFoundError, RefusedError
from tests.db.conftest import add_model, add_run, add_user


@contextmanager
def counted_selects(database: Database) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().startswith("SELECT"):
            statements.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    yield statements
    event.remove(database.engine.sync_engine, "before_cursor_execute", note)


async def listed(database: Database, user: User, **filters: Any) -> ModelPage:
    async with database.reading() as session:
        return await models.list_owned_models(session, user, **filters)


def names(page: ModelPage) -> list[str]:
    return [card.model.name for card in page.cards]


async def test_a_stranger_finds_nothing(database: Database) -> None:
    ada, eve = await add_user(database, "Ada"), await add_user(database, "Eve")
    model = await add_model(database, ada)
    async with database.writing() as session:
        with pytest.raises(NotFoundError):
            await models.get_editable_model(session, eve, model.id)
        with pytest.raises(NotFoundError):
            await models.rename_model(session, eve, model.id, "Mine")
        with pytest.raises(NotFoundError):
            await models.delete_model(session, eve, model.id)
    assert (await listed(database, eve)).total == 0


async def test_a_list_filters_sorts_and_pages(database: Database) -> None:
    ada = await add_user(database)
    for number in range(PAGE_SIZE + 2):
        await add_model(database, ada, f"Net {number}", "mnist" if number == 3 else "digits")
    await add_model(database, ada, "100%_sure")

    first, last = await listed(database, ada), await listed(database, ada, page=99)
    assert (first.total, first.pages, len(first.cards)) == (PAGE_SIZE + 3, 2, PAGE_SIZE)
    assert (last.page, names(last)) == (2, ["Net 2", "Net 1", "Net 0"])
    assert names(await listed(database, ada, order="oldest", sort="created"))[:2] == ["Net 0", "Net 1"]
    assert names(await listed(database, ada, dataset="mnist")) == ["Net 3"]
    assert names(await listed(database, ada, search=" nET 13 ")) == ["Net 13"]
    assert names(await listed(database, ada, search="0%_s")) == ["100%_sure"]
    assert (await listed(database, ada, search="nowhere")).pages == 1


async def test_a_card_shows_the_newest_run_and_a_page_takes_four_statements(database: Database) -> None:
    ada = await add_user(database)
    newest = 0
    for number in range(5):
        model = await add_model(database, ada, f"Net {number}")
        await add_run(database, model.versions[0])
        newest = (await add_run(database, model.versions[0])).id
    await add_model(database, ada, "Untrained")
    with counted_selects(database) as statements:
        page = await listed(database, ada)
    assert len(statements) == 4
    untrained, trained = page.cards[0], page.cards[1]
    assert untrained.run is None
    assert trained.run is not None
    assert trained.run.id == newest
    assert trained.version.model_id == trained.model.id


@pytest.mark.parametrize("name", ["", "   ", "x" * 61])
async def test_a_name_is_neither_empty_nor_too_long(database: Database, name: str) -> None:
    ada = await add_user(database)
    with pytest.raises(RefusedError, match="60"):
        await add_model(database, ada, name)
    assert (await listed(database, ada)).total == 0


async def test_a_model_is_renamed(database: Database) -> None:
    ada = await add_user(database)
    model = await add_model(database, ada)
    async with database.writing() as session:
        await models.rename_model(session, ada, model.id, "  손글씨   net ")
    assert names(await listed(database, ada)) == ["손글씨 net"]


async def test_deleting_a_model_deletes_its_runs_and_says_which(database: Database) -> None:
    ada = await add_user(database)
    model, other = await add_model(database, ada), await add_model(database, ada, "Other")
    run = await add_run(database, model.versions[0])
    kept = await add_run(database, other.versions[0])
    async with database.writing() as session:
        assert await models.delete_model(session, ada, model.id) == [run.id]
    async with database.reading() as session:
        assert [*await session.scalars(text("SELECT id FROM runs"))] == [kept.id]


async def test_the_id_of_a_deleted_run_is_never_used_again(database: Database) -> None:
    ada = await add_user(database)
    model = await add_model(database, ada)
    gone = await add_run(database, model.versions[0])
    async with database.writing() as session:
        await models.delete_model(session, ada, model.id)
    model = await add_model(database, ada)
    assert (await add_run(database, model.versions[0])).id > gone.id
