"""Whether the database can be used, looked at before a process begins its work."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from scv.db.engine import Database
from scv.db.url import cannot_open
from scv.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations" / "versions"
"""One file for each state of the tables, such as v0001_first_tables.py."""


async def make_ready(settings: Settings) -> None:
    """Connect once, and bring the tables to the newest state where they are not.

    Raises `RefusedError` as `migrate` does. Alembic takes a while to import, and only where something is to be done.
    """
    if await look_at_database(settings) != max(path.stem[1:5] for path in MIGRATIONS.glob("v*.py")):
        from scv.db.migrate import migrate

        await migrate(settings)


async def look_at_database(settings: Settings) -> str | None:
    """The state of the tables, such as "0007"; None where there are none yet. Raises `RefusedError`."""
    try:
        database = Database(settings.database_url)
        if database.url.get_backend_name() == "sqlite" and not _exists(database.url.database):
            return None
        try:
            async with database.engine.connect() as connection:
                return await connection.run_sync(_read_state)
        finally:
            await database.close()
    except (SQLAlchemyError, ImportError, OSError) as error:
        raise cannot_open(error) from error


def _exists(file: str | None) -> bool:
    return Path(file or "").exists()


def _read_state(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    state: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return state
