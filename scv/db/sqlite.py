"""The driver's connection to SQLite: set up in one way, and ended whatever is cancelled, so that it keeps no lock."""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import aiosqlite
from aiosqlite.core import _STOP_RUNNING_SENTINEL

BUSY_SECONDS = 15.0
"""How long a writer waits for another one. Transactions are short, so this is never seen in practice."""


class BufferedCursor:
    """A cursor as SQLAlchemy uses it, which runs a statement and fetches all its rows in one trip to the thread.

    aiosqlite's own takes four: to make the cursor, to execute, to fetch and to close. A trip takes longer than most
    statements do.
    """

    def __init__(self, connection: "EndingConnection") -> None:
        self._connection = connection
        self._rows: deque[Any] = deque()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> "BufferedCursor":
        return self

    async def execute(self, sql: str, parameters: Any = ()) -> "BufferedCursor":
        """Execute the statement and keep its rows."""
        await self._connection.call(partial(self._run, sqlite3.Cursor.execute, sql, parameters))
        return self

    async def executemany(self, sql: str, parameters: Any) -> "BufferedCursor":
        """Execute the statement once for each row of parameters."""
        await self._connection.call(partial(self._run, sqlite3.Cursor.executemany, sql, parameters))
        return self

    def _run(self, method: Callable[..., Any], sql: str, parameters: Any) -> None:
        """In the connection's thread."""
        cursor = self._connection.begun().cursor()
        try:
            method(cursor, sql, parameters)
            self._rows = deque(cursor.fetchall() if cursor.description else ())
            self.description, self.rowcount, self.lastrowid = cursor.description, cursor.rowcount, cursor.lastrowid
        finally:
            cursor.close()

    async def fetchone(self) -> Any | None:
        """The next row, None after the last."""
        return self._rows.popleft() if self._rows else None

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next `size` rows, or as many as there are."""
        return [self._rows.popleft() for _ in range(min(size or self.arraysize, len(self._rows)))]

    async def fetchall(self) -> deque[Any]:
        """The remaining rows."""
        rows, self._rows = self._rows, deque()
        return rows

    async def close(self) -> None:
        """Drop the rows; SQLite's own cursor was closed with the statement."""
        self._rows.clear()


class EndingConnection(aiosqlite.Connection):
    """A connection that ends once, and whose open transaction ends with it.

    A transaction begins with its first statement, in the same trip to the connection's thread.

    When a task is cancelled amid a statement, SQLAlchemy closes its connection; when it is cancelled once more while
    that is done, it stops the connection's thread as well. aiosqlite 0.22 then loses either of two things: the thread
    is asked to stop a second time, when it is gone, and the answer is waited for without an end; or the connection is
    forgotten before the thread has closed it, and its transaction locks the database for as long as anything refers
    to one of its cursors.
    """

    _ending: asyncio.Future[Any] | None = None
    _begin: str | None = None

    def cursor(self) -> BufferedCursor:  # type: ignore[override]  # it needs no trip to the thread, so no waiting
        """A new cursor."""
        return BufferedCursor(self)

    async def call(self, function: Callable[[], None]) -> None:
        """Call a function in the connection's thread."""
        await self._execute(function)  # type: ignore[no-untyped-call]  # aiosqlite has no types here

    def begin(self, how: str) -> None:
        """Begin a transaction by this statement (such as `BEGIN IMMEDIATE`) as soon as another one is executed."""
        self._begin = how

    def begun(self) -> sqlite3.Connection:
        """In the connection's thread: SQLite's connection, its transaction begun where that was asked for."""
        connection = self._conn
        if self._begin is not None:
            connection.execute(self._begin).close()
            self._begin = None
        return connection

    async def commit(self) -> None:
        """Commit the transaction; one without any statement never began."""
        if self._begin is None:
            await super().commit()
        self._begin = None

    async def rollback(self) -> None:
        """Roll the transaction back. What never began, or was committed, takes no trip to the thread."""
        self._begin = None
        if self._connection is None or self._connection.in_transaction:
            await super().rollback()

    def stop(self) -> asyncio.Future[Any] | None:
        """Close the connection and end its thread; that asked for again, the same end."""
        if self._ending is None:
            with suppress(RuntimeError):  # outside of a loop nobody can wait
                self._ending = asyncio.get_running_loop().create_future()
            self._running = False
            self._tx.put_nowait((None, partial(_end, self._connection, self._ending)))
            self._connection = None
        return self._ending

    async def close(self) -> None:
        """The same, waited for."""
        if self._connection is None and self._ending is None:
            return
        if (ending := self.stop()) is not None:
            await asyncio.shield(ending)


def _end(connection: sqlite3.Connection | None, ending: asyncio.Future[Any] | None) -> object:
    """The last thing that the connection's thread does."""
    if connection is not None:
        with suppress(sqlite3.Error):
            connection.rollback()
        with suppress(sqlite3.Error):
            connection.close()
    if ending is not None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            ending.get_loop().call_soon_threadsafe(_tell, ending)
    return _STOP_RUNNING_SENTINEL


def _tell(ending: asyncio.Future[Any]) -> None:
    if not ending.done():
        ending.set_result(None)


def _connected(*arguments: Any, **options: Any) -> sqlite3.Connection:
    """In the connection's own thread: a connection that leaves transactions to whoever asks for them."""
    connection: sqlite3.Connection = sqlite3.connect(
        *arguments, **{**options, "isolation_level": None, "timeout": BUSY_SECONDS}
    )
    try:
        _set_journal(connection)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _set_journal(connection: sqlite3.Connection) -> None:
    """Write-ahead logging. SQLite refuses at once, and waits for nobody, where another one is just setting the same."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def open_connection(*arguments: Any, **options: Any) -> EndingConnection:
    """What `aiosqlite.connect` makes of what `sqlite3.connect` takes, as a connection that ends."""
    connection = EndingConnection(partial(_connected, *arguments, **options), iter_chunk_size=64)
    connection._thread.daemon = True  # as SQLAlchemy has it of its own ones
    return connection
