"""Migrations at start. Apart from `engine`, since Alembic takes a while to import and the web needs none of it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from scv.db.engine import Database
from scv.db.locks import lock_name_on
from scv.db.url import cannot_open, read_url
from scv.errors import RefusedError
from scv.message import say
from scv.settings import Settings


def migrations() -> Config:
    """Alembic's configuration; there is no alembic.ini to find."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


async def migrate(settings: Settings) -> None:
    """Bring the database to the newest state, in one transaction; makes a SQLite file and its folder.

    Raises `RefusedError` when there is no database at `settings.database_url`, or one of a newer SCV.
    """
    url = read_url(settings.database_url)
    try:
        if url.get_backend_name() == "sqlite" and url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        database = Database(settings.database_url)
        try:
            async with database.engine.execution_options(immediate=True).begin() as connection:
                await connection.execute(text("SELECT 1"))  # the transaction begins: a second migration waits here
                await connection.run_sync(_upgrade)
        finally:
            await database.close()
    except CommandError as error:
        raise RefusedError(
            say("The database was made by another version of SCV ({why}). Update SCV.", why=str(error))
        ) from error
    except (SQLAlchemyError, ImportError, OSError) as error:
        raise cannot_open(error) from error


def _upgrade(connection: Connection) -> None:
    _refuse_other_encodings(connection)
    lock_name_on(connection, "migrations")
    config = migrations()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _refuse_other_encodings(connection: Connection) -> None:
    if connection.dialect.name != "postgresql":
        return
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise RefusedError(
            say(
                "The database has the encoding {encoding} and cannot hold every language. Make it with: {command}",
                encoding=str(encoding),
                command="createdb --encoding=UTF8 --template=template0",
            )
        )
