"""The address of the database: how people type it, what is wrong with it, and how it is shown without its password."""

import sys

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from scv.errors import RefusedError
from scv.message import say

_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "sqlite": "sqlite+aiosqlite",
}
"""The one driver that SCV uses for each kind of database, whatever driver an address names."""


def read_url(text: str) -> URL:
    """`SCV_DATABASE_URL` with the driver that SCV uses. Raises `RefusedError`, which repeats no part of the address."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise RefusedError(
            say(
                "SCV_DATABASE_URL cannot be read. It has the form {form}.",
                form="postgresql://user:password@host:5432/database",
            )
        ) from None
    driver = _DRIVERS.get(url.get_backend_name())
    if driver is None:
        raise RefusedError(say("SCV_DATABASE_URL must begin with postgresql:// or sqlite://."))
    if "@" in (url.host or ""):
        raise RefusedError(
            say("The password in SCV_DATABASE_URL has a character that must be written in another way: @ as %40.")
        )
    return url.set(drivername=driver)


def describe_database(text: str) -> str:
    """The kind of database and where it is, such as "PostgreSQL, scv at db.example:5432"; never the password.

    Nothing of an address that cannot be read.
    """
    try:
        url = read_url(text)
    except RefusedError:
        return ""
    if url.get_backend_name() == "sqlite":
        return f"SQLite, {url.database or 'in memory'}"
    host = url.host or url.query.get("host") or "this machine"
    port = f":{url.port}" if url.port else ""
    return f"PostgreSQL, {url.database or url.username or 'the default database'} at {host}{port}"


def cannot_open(error: Exception) -> RefusedError:
    """Why a database cannot be used, in one line for whoever runs the server."""
    if isinstance(error, ModuleNotFoundError) and error.name in ("psycopg", "psycopg_binary"):
        command = f"{sys.executable} -m pip install 'psycopg[binary]'"
        return RefusedError(
            say(
                "SCV_DATABASE_URL names a PostgreSQL server, whose driver is not installed. Type: {command}",
                command=command,
            )
        )
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    why = " ".join(str(cause).split()) or type(cause).__name__
    return RefusedError(say("The database cannot be opened ({why}). Look at SCV_DATABASE_URL.", why=why.rstrip(".")))
