"""The connection to the database: short reading and writing transactions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Connection, event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from scv.db.sqlite import EndingConnection, open_connection


class Database:
    """One database by its SQLAlchemy URL (SQLite or PostgreSQL). Shared by all tasks of a process.

    On SQLite a writing transaction begins with BEGIN IMMEDIATE: under WAL a transaction that reads first and
    writes later would otherwise fail, or lose another writer's update.
    """

    def __init__(self, url: str) -> None:
        sqlite = make_url(url).get_backend_name() == "sqlite"
        self.engine = create_async_engine(url, connect_args={"async_creator_fn": open_connection} if sqlite else {})
        if sqlite:
            _begin_sqlite(self.engine)
        self._reading = async_sessionmaker(self.engine, expire_on_commit=False)
        self._writing = async_sessionmaker(self.engine.execution_options(immediate=True), expire_on_commit=False)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session that sees one state of the database and writes nothing."""
        async with self._reading() as session:
            yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A session whose changes are committed when the block ends, and dropped when it raises."""
        async with self._writing() as session, session.begin():
            yield session

    async def close(self) -> None:
        await self.engine.dispose()


def _begin_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Connection) -> None:
        # The driver's own transaction handling begins too late.
        immediate = connection.get_execution_options().get("immediate", False)
        driver: EndingConnection = connection.connection.driver_connection  # type: ignore[assignment]
        driver.begin("BEGIN IMMEDIATE" if immediate else "BEGIN")
