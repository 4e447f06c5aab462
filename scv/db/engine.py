"""The connection to the database: short reading and writing transactions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import URL, Connection, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from scv.db.sqlite import EndingConnection, open_connection
from scv.db.url import read_url
from scv.errors import ConflictError
from scv.message import say

CONNECT_SECONDS = 10
"""How long a PostgreSQL server may take to accept a connection, unless the URL has a `connect_timeout`."""

_TRY_AGAIN = ("40001", "40P01")
"""SQLSTATEs of a transaction that PostgreSQL gave up for another one's sake: serialization failure, deadlock."""


class Database:
    """One database by its URL (SQLite or PostgreSQL). Shared by all tasks of a process.

    On SQLite a writing transaction begins with BEGIN IMMEDIATE: under WAL a transaction that reads first and
    writes later would otherwise fail, or lose another writer's update. On PostgreSQL writers run beside each other
    under READ COMMITTED, and `scv.db.locks` holds what must not change meanwhile. Raises `RefusedError` for a URL that
    cannot be read, and `ModuleNotFoundError` where the driver is missing.
    """

    def __init__(self, url: str) -> None:
        address = read_url(url)
        self.url = address
        if address.get_backend_name() == "sqlite":
            self.engine = create_async_engine(
                address,
                hide_parameters=True,  # in messages of exceptions, which are logged
                connect_args={"async_creator_fn": open_connection},
            )
            _begin_sqlite(self.engine)
            reading, writing = self.engine, self.engine.execution_options(immediate=True)
        else:
            self.engine = writing = _open_postgresql(address)
            # What a page reads in several statements is one state of the database, as it is with SQLite.
            reading = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._reading = async_sessionmaker(reading, expire_on_commit=False)
        self._writing = async_sessionmaker(writing, expire_on_commit=False)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session that sees one state of the database and writes nothing."""
        async with self._reading() as session:
            yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A session whose changes are committed when the block ends, and dropped when it raises.

        Raises `ConflictError` where PostgreSQL gave the transaction up so that another one could go on.
        """
        try:
            async with self._writing() as session, session.begin():
                yield session
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _TRY_AGAIN:
                raise
            raise ConflictError(
                say("Somebody else changed the same at this moment, so nothing was written. Try again.")
            ) from error

    async def close(self) -> None:
        await self.engine.dispose()


def _open_postgresql(url: URL) -> AsyncEngine:
    arguments: dict[str, Any] = {"application_name": "scv", "connect_timeout": CONNECT_SECONDS}
    return create_async_engine(
        url,
        connect_args={name: value for name, value in arguments.items() if name not in url.query},
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,  # a server that was restarted meanwhile is no reason for an error page
    )


def _begin_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Connection) -> None:
        # The driver's own transaction handling begins too late.
        immediate = connection.get_execution_options().get("immediate", False)
        driver: EndingConnection = connection.connection.driver_connection  # type: ignore[assignment]
        driver.begin("BEGIN IMMEDIATE" if immediate else "BEGIN")
