"""The driver's connection to SQLite, so that it ends whatever is cancelled, and keeps no lock."""

import asyncio
import sqlite3
from contextlib import suppress
from functools import partial
from typing import Any

import aiosqlite


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
            if self._connection is not None:
                self._tx.put_nowait((None, partial(_end, self._connection)))
            self._ending = super().stop()
        return self._ending

    async def close(self) -> None:
        """The same, waited for."""
        if self._connection is None and self._ending is None:
            return
        if (ending := self.stop()) is not None:
            await asyncio.shield(ending)


def _end(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.ProgrammingError):  # it is closed already
        connection.rollback()
        connection.close()


def open_connection(*arguments: Any, **options: Any) -> EndingConnection:
    """What `aiosqlite.connect` makes of what `sqlite3.connect` takes, as a connection that ends."""
    connection = EndingConnection(partial(sqlite3.connect, *arguments, **options), iter_chunk_size=64)
    connection._thread.daemon = True  # as SQLAlchemy has it of its own ones
    return connection
