import asyncio
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, delete, inspect, select, text, update
from sqlalchemy.exc import InvalidRequestError, StatementError

from scv.db.base import Base
from scv.db.engine import Database
from scv.db.migrate import migrate
from scv.db.tables import Model, Session, User
from scv.errors import RefusedError
from scv.settings import Settings
from tests.db.conftest import add_model, add_user


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))


async def test_migrations_make_exactly_the_tables_of_the_code(database: Database) -> None:
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_migrating_twice_at_once_changes_nothing(empty_database_url: str) -> None:
    settings = Settings(database_url=empty_database_url)
    await asyncio.gather(migrate(settings), migrate(settings), migrate(settings))
    await migrate(settings)
    database = Database(settings.database_url)
    async with database.engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    await database.close()
    assert set(tables) == {*Base.metadata.tables, "alembic_version"}


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(database: Database, database_url: str) -> None:
    settings = Settings(database_url=database_url)
    async with database.writing() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = 'future'"))
    with pytest.raises(RefusedError, match="another version"):
        await migrate(settings)
    async with database.reading() as session:
        assert await session.scalar(text("SELECT version_num FROM alembic_version")) == "future"


@pytest.mark.parametrize(
    "url", ["nonsense", "nonsense://x", "sqlite+aiosqlite:////proc/none/x", "sqlite+aiosqlite:///{file}"]
)
async def test_what_is_no_database_is_refused_in_one_line(tmp_path: Path, url: str) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear Ada, " * 1000)
    with pytest.raises(RefusedError, match="SCV_DATABASE_URL") as refused:
        await migrate(Settings(data_dir=tmp_path, database_url=url.format(file=file)))
    assert "\n" not in str(refused.value)


@pytest.mark.engines("sqlite")
async def test_sqlite_is_set_up_for_several_processes(database: Database) -> None:
    async with database.reading() as session:
        assert await session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert await session.scalar(text("PRAGMA foreign_keys")) == 1
        assert await session.scalar(text("PRAGMA synchronous")) == 1


async def test_two_writers_lose_no_update(database: Database, database_url: str) -> None:
    """Each reads, thinks and writes back: without BEGIN IMMEDIATE or FOR UPDATE some of the updates vanish or fail."""
    model = await add_model(database, await add_user(database), name="0")
    other = Database(database_url)

    async def count_up(mine: Database) -> None:
        for _ in range(25):
            async with mine.writing() as session:
                seen = await session.scalar(select(Model.name).where(Model.id == model.id).with_for_update())
                assert seen is not None
                await asyncio.sleep(0.001)
                await session.execute(update(Model).where(Model.id == model.id).values(name=str(int(seen) + 1)))

    await asyncio.gather(count_up(database), count_up(other), count_up(database))
    async with other.reading() as session:
        assert await session.scalar(select(Model.name)) == "75"
    await other.close()


async def test_a_block_that_raises_writes_nothing(database: Database) -> None:
    async def add_and_fail() -> None:
        async with database.writing() as session:
            session.add(User(name="Nobody"))
            await session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await add_and_fail()
    async with database.reading() as session:
        assert await session.scalar(select(User)) is None


async def test_moments_come_back_aware_and_in_utc(database: Database) -> None:
    seoul = timezone(timedelta(hours=9))
    moment = datetime(2024, 2, 29, 3, 30, tzinfo=seoul)
    async with database.writing() as session:
        session.add(User(name="Ada", created_at=moment))
    async with database.reading() as session:
        user = await session.scalar(select(User).where(User.created_at == moment))
    assert user is not None
    assert user.created_at == moment
    assert user.created_at.utcoffset() == timedelta(0)


async def test_a_moment_without_a_zone_is_refused(database: Database) -> None:
    naive = datetime(2024, 2, 29, 3, 30)
    with pytest.raises(StatementError, match="no time zone"):
        async with database.writing() as session:
            session.add(User(name="Ada", created_at=naive))


async def test_nothing_is_loaded_behind_the_back(database: Database) -> None:
    await add_model(database, await add_user(database))
    async with database.reading() as session:
        model = await session.scalar(select(Model))
        assert model is not None
        with pytest.raises(InvalidRequestError, match="raise"):
            _ = model.versions


async def test_deleting_a_user_deletes_all_that_was_theirs(database: Database) -> None:
    user = await add_user(database)
    await add_model(database, user)
    async with database.writing() as session:
        session.add(Session(token_hash="x", user_id=user.id, expires_at=datetime.now(UTC)))
    async with database.writing() as session:
        await session.execute(delete(User))
    async with database.reading() as session:
        for table in ("models", "versions", "sessions"):
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0  # noqa: S608
