"""The driver's connection to SQLite: set up in one way, and ended whatever is cancelled, so that it keeps no lock."""

import asyncio
import sqlite3
import time
from contextlib import suppress
from functools import partial
from typing import Any

import aiosqlite
from aiosqlite.core import _STOP_RUNNING_SENTINEL

BUSY_SECONDS = 15.0
"""How long a writer waits for another one. Transactions are short, so this is never seen in practice."""


class EndingConnection(aiosqlite.Connection):
    """A connection that ends once, and whose open transaction ends with it.

    When a task is cancelled amid a statement, SQLAlchemy closes its connection; when it is cancelled once more while
    that is done, it stops the connection's thread as well. aiosqlite 0.22 then loses either of two things: the thread
    is asked to stop a second time, when it is gone, and the answer is waited for without an end; or the connection is
    forgotten before the thread has closed it, and its transaction locks the database for as long as anything refers
    to one of its cursors.
    """

    _ending: asyncio.Future[Any] | None = None

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
