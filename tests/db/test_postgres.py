"""What is PostgreSQL's own: its address, what is said where it cannot be used, TLS, and its stricter types."""

import asyncio
import os
import random
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from scv.db import datasets, leases, models, runs
from scv.db.engine import Database
from scv.db.migrate import migrate
from scv.db.ready import make_ready
from scv.db.tables import Run, User
from scv.db.url import describe_database, read_url
from scv.errors import ConflictError, NotFoundError, RefusedError
from scv.settings import ROOT, Settings
from scv.training.progress import Started
from tests.db.conftest import add_model, add_run, add_user
from tests.jobs.serving import free_port, run_command
from tests.postgres import PASSWORD, PostgresServer

pytestmark = pytest.mark.engines("postgresql")

SIZES = {"steps_per_epoch": 2, "train_images": 2, "validation_images": 1, "test_images": 1}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("postgres://a:b@h/d", "postgresql+psycopg://a:***@h/d"),
        ("postgresql://a:b@h:5433/d", "postgresql+psycopg://a:***@h:5433/d"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
        ("postgresql+asyncpg://h/d?sslmode=require", "postgresql+psycopg://h/d?sslmode=require"),
        ("postgresql:///d?host=/run/postgresql", "postgresql+psycopg:///d?host=%2Frun%2Fpostgresql"),
        ("sqlite:////a/b.sqlite3", "sqlite+aiosqlite:////a/b.sqlite3"),
        ("sqlite+aiosqlite:////a/b.sqlite3", "sqlite+aiosqlite:////a/b.sqlite3"),
    ],
)
def test_an_address_is_taken_as_people_type_it(typed: str, meant: str) -> None:
    assert str(read_url(typed)) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "secret",
        "mysql://u:secret@h/d",
        "postgresql://u:x@secret@h/d",
        "postgresql://u:secret@h:port/d",
        "http://secret",
    ],
)
async def test_an_address_that_cannot_be_read_is_refused_and_not_repeated(typed: str) -> None:
    for open_it in (migrate, make_ready):
        with pytest.raises(RefusedError, match="SCV_DATABASE_URL") as refused:
            await open_it(Settings(database_url=typed))
        assert "secret" not in str(refused.value)
    assert "secret" not in describe_database(typed)


def test_it_is_described_without_its_password() -> None:
    assert describe_database("postgres://ada:secret@h:5433/scv") == "PostgreSQL, scv at h:5433"
    assert describe_database("postgresql:///scv?host=/run/pg") == "PostgreSQL, scv at /run/pg"
    assert describe_database("sqlite:////data/scv.sqlite3") == "SQLite, /data/scv.sqlite3"


async def test_what_is_in_the_way_is_said_in_one_line_that_holds_no_password(
    postgres: PostgresServer, database_url: str
) -> None:
    name = read_url(database_url).database or ""
    reasons = {
        postgres.tcp_url(name, password="wr0ng"): "password authentication failed",
        postgres.tcp_url("no_such_database"): 'database "no_such_database" does not exist',
        postgres.tcp_url(name).replace(str(postgres.port), str(free_port())): "Connection refused",
        postgres.tcp_url(name, host="no-such-host.invalid"): "name|resolve",
        postgres.tcp_url(name, options="?sslmode=verify-full"): "certificate|root",
        postgres.tcp_url(name, options="?no_such_option=1"): "no_such_option",
        f"postgresql:///{name}?host=/nowhere": "No such file",
    }
    for url, reason in reasons.items():
        for look in (migrate, make_ready):
            with pytest.raises(RefusedError, match=f"The database cannot be opened .*({reason})") as refused:
                await look(Settings(database_url=url))
            assert "\n" not in str(refused.value)
            for secret in (PASSWORD, "p%40ss", "wr0ng"):
                assert secret not in str(refused.value)


@pytest.mark.parametrize("command", [("serve",), ("web",), ("worker",), ("signin-link",)])
def test_every_command_says_so_in_one_line(postgres: PostgresServer, tmp_path: Path, command: tuple[str, ...]) -> None:
    url = postgres.tcp_url("no_such_database")
    status, lines = run_command(Settings(data_dir=tmp_path, port=free_port(), database_url=url).resolved(), *command)
    assert status == 1
    (line,) = lines
    assert line.startswith("scv: The database cannot be opened")
    assert "no_such_database" in line
    assert PASSWORD not in line


def test_a_driver_that_is_missing_is_said_with_what_to_type(tmp_path: Path) -> None:
    code = "import sys; sys.modules['psycopg'] = None; from scv.__main__ import main; sys.exit(main(['web']))"
    settings = Settings(data_dir=tmp_path, port=free_port(), database_url="postgresql://h/d").resolved()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **settings.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "pip install 'psycopg[binary]'" in line


async def test_tls_and_a_password_are_taken_from_the_address(postgres: PostgresServer, database_url: str) -> None:
    name, ca = read_url(database_url).database or "", f"sslrootcert={postgres.folder}/ca.pem"
    used = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    for host, mode, encrypted in (
        ("127.0.0.1", "sslmode=disable", False),
        ("127.0.0.1", "sslmode=require", True),
        ("localhost", f"sslmode=verify-full&{ca}", True),
    ):
        database = Database(postgres.tcp_url(name, host=host, options=f"?{mode}"))
        async with database.reading() as session:
            assert await session.scalar(used) is encrypted
        await database.close()
    with pytest.raises(RefusedError, match="certificate"):  # which holds for localhost alone
        await make_ready(Settings(database_url=postgres.tcp_url(name, options=f"?sslmode=verify-full&{ca}")))


async def test_a_database_that_cannot_hold_every_language_is_refused(postgres: PostgresServer) -> None:
    postgres.execute("CREATE DATABASE {} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0", "latin")
    try:
        with pytest.raises(RefusedError, match=r"LATIN1.*createdb --encoding=UTF8"):
            await migrate(Settings(database_url=postgres.url("latin")))
    finally:
        postgres.execute("DROP DATABASE {} WITH (FORCE)", "latin")


async def test_tables_are_made_where_there_are_none(empty_database_url: str) -> None:
    for _ in range(2):
        await make_ready(Settings(database_url=empty_database_url))
    database = Database(empty_database_url)
    await add_user(database)
    await database.close()


async def test_readers_see_one_state_and_write_nothing(database: Database) -> None:
    async with database.reading() as session:
        assert await session.scalar(select(User)) is None
        await add_user(database)
        assert await session.scalar(select(User)) is None, "what came after the first statement is not seen"
        with pytest.raises(DBAPIError, match="read-only"):
            await session.execute(update(User).values(name="Eve"))


async def test_a_transaction_that_is_given_up_is_a_conflict(database: Database) -> None:
    """Two that wait for each other, which PostgreSQL ends by giving up one of them."""
    users, both = [await add_user(database, name) for name in "ab"], asyncio.Barrier(2)

    async def rename(order: list[User]) -> None:
        async with database.writing() as session:
            for user in order:
                await session.execute(update(User).where(User.id == user.id).values(name="c"))
                with suppress(asyncio.BrokenBarrierError, TimeoutError):
                    async with asyncio.timeout(30):
                        await both.wait()

    async def both_ways() -> list[object]:
        first = asyncio.create_task(rename(users))
        second = asyncio.create_task(rename(users[::-1]))
        await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
        await both.abort()
        return await asyncio.gather(first, second, return_exceptions=True)

    results = await both_ways()
    assert sorted(type(result).__name__ for result in results) == ["ConflictError", "NoneType"]
    assert any(isinstance(result, ConflictError) for result in results)


async def test_a_server_that_dropped_all_connections_is_connected_to_again(
    database: Database, database_url: str
) -> None:
    await add_user(database)
    mine = "datname = current_database() AND pid <> pg_backend_pid()"
    other = Database(database_url)
    async with other.reading() as session:
        await session.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}"))  # noqa: S608
    await other.close()
    async with database.reading() as session:
        assert await session.scalar(select(User.name)) == "Ada"


async def test_whoever_is_cancelled_amid_a_statement_locks_nobody_out(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", "sqlalchemy")
    user, chance = await add_user(database), random.Random(0)

    async def write() -> None:
        async with database.writing() as session:
            for _ in range(3):
                await session.execute(update(User).where(User.id == user.id).values(name="x"))
                await session.execute(text("SELECT pg_sleep(0.003)"))

    for _ in range(60):
        writing = asyncio.create_task(write())
        for pause in (0.02, *[0.001] * chance.randrange(3)):
            await asyncio.sleep(pause * chance.random())
            writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        async with asyncio.timeout(60), database.writing() as session:
            await session.execute(update(User).where(User.id == user.id).values(name="y"))


async def test_moments_are_right_whatever_the_servers_time_zone(postgres: PostgresServer, database_url: str) -> None:
    name = read_url(database_url).database or ""
    postgres.execute("ALTER DATABASE {} SET timezone TO 'Asia/Seoul'", name)
    database, moment = Database(database_url), datetime(2024, 2, 29, 23, 30, tzinfo=UTC)
    async with database.writing() as session:
        session.add(User(name="Ada", created_at=moment))
    async with database.reading() as session:
        user = await session.scalar(select(User).where(User.created_at == moment))
    assert user is not None
    assert (user.created_at, user.created_at.tzinfo) == (moment, UTC)
    await database.close()


async def test_figures_may_be_large(database: Database) -> None:
    """A network of more than 2,147,483,647 parameters, and many gigabytes of images."""
    user = await add_user(database)
    run = await add_run(database, (await add_model(database, user)).versions[0])
    async with database.writing() as session:
        taken = await leases.take_lease(session, run.id, 1, 60)
        assert taken is not None
        started = Started(device="cpu", parameters=7 * 10**9, epochs=3, **SIZES)
        await leases.record_started(session, run.id, taken.lease_token or "", started)
        dataset = await datasets.create_dataset(session, user, "Pets")
    async with database.writing() as session:
        version = await datasets.begin_version(
            session, await datasets.get_editable_dataset(session, user, dataset.id), "{}"
        )
        await datasets.finish_version(session, version.name, bytes=5 * 10**9)
    async with database.reading() as session:
        assert await session.scalar(select(Run.parameters)) == 7 * 10**9
        used = await datasets.bytes_of(session, user)
    assert (used, type(used)) == (5 * 10**9, int)


async def test_names_are_found_whatever_their_case_and_signs(database: Database) -> None:
    user = await add_user(database)
    for name in ("Digit READER", "숫자 읽기", "100% _sure_", "a\\b"):
        await add_model(database, user, name=name)
    async with database.reading() as session:
        for search, found in (("reader", 1), ("숫자", 1), ("0%", 1), ("_s", 1), ("%", 1), ("\\", 1), ("x", 0)):
            assert (await models.list_owned_models(session, user, search=search)).total == found, search


async def test_a_run_of_what_was_deleted_meanwhile_cannot_be_repeated(database: Database) -> None:
    """That is said before a foreign key refuses it."""
    user = await add_user(database)
    model = await add_model(database, user)
    old = await add_run(database, model.versions[0])
    async with database.reading() as session:
        run = await runs.get_editable_run(session, user, old.id)
    async with database.writing() as session:
        await models.delete_model(session, user, model.id)
    with pytest.raises(NotFoundError, match="no such version"):
        async with database.writing() as session:
            await runs.repeat_run(session, run, "{}", 5)
