"""What is cancelled amid a transaction leaves no lock, and nothing that is waited for without an end."""

import asyncio
import random
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from scv.db import sqlite
from scv.db.engine import Database


async def test_whoever_is_cancelled_and_cancelled_again_locks_nobody_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As a worker's jobs are when it is told to end, and a request whose browser is gone."""
    caplog.set_level("CRITICAL", "sqlalchemy")  # which tells of every cancelled reset
    database, chance = Database(f"sqlite+aiosqlite:///{tmp_path / 'a.sqlite3'}"), random.Random(0)
    async with database.writing() as session:
        await session.execute(text("CREATE TABLE t (x INTEGER)"))
        for number in range(200):
            await session.execute(text("INSERT INTO t VALUES (:x)"), {"x": number})

    async def write() -> None:
        async with database.writing() as session:
            for _ in range(3):
                await session.execute(text("UPDATE t SET x = x + 1 WHERE x > 5 RETURNING x"))
            await session.execute(text("SELECT * FROM t a, t b LIMIT 20000"))

    for _ in range(400):
        writing = asyncio.create_task(write())
        for pause in (0.006, *[0.0008] * chance.randrange(3)):
            await asyncio.sleep(pause * chance.random())
            writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        async with database.writing() as session:  # raises after BUSY_SECONDS where it is locked out
            await session.execute(text("INSERT INTO t VALUES (1)"))
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        _, hanging = await asyncio.wait(others, timeout=10)
        assert not hanging
    await database.close()


async def test_a_new_database_is_opened_by_many_at_once(tmp_path: Path) -> None:
    """As when web and workers start together: each of them makes it the kind that it is to be."""
    for number in range(30):
        databases = [Database(f"sqlite+aiosqlite:///{tmp_path / f'{number}.sqlite3'}") for _ in range(4)]

        async def journal(database: Database) -> str:
            async with database.reading() as session:
                return str(await session.scalar(text("PRAGMA journal_mode")))

        assert await asyncio.gather(*map(journal, databases)) == ["wal"] * 4
        for database in databases:
            await database.close()


async def test_a_folder_is_no_database_and_nobody_waits_for_it(tmp_path: Path) -> None:
    connection = sqlite.open_connection(str(tmp_path))
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        await asyncio.wait_for(connection, sqlite.BUSY_SECONDS / 2)
    await connection.close()  # its thread ends, though it never was open


async def test_a_connection_ends_once_however_often_it_is_asked_to(tmp_path: Path) -> None:
    connection = await sqlite.open_connection(str(tmp_path / "b.sqlite3"))
    await connection.execute("CREATE TABLE t (x INTEGER)")
    ending = connection.stop()
    assert connection.stop() is ending
    await asyncio.wait_for(asyncio.gather(connection.close(), connection.close()), 10)
    await asyncio.wait_for(connection.close(), 10)
    with pytest.raises(ValueError, match="connection"):
        await connection.execute("SELECT 1")
    never = sqlite.open_connection(str(tmp_path / "c.sqlite3"))
    await asyncio.wait_for(never.close(), 10)
