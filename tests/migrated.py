"""A migrated database without the migrations' time: they run once in a test process, and their file is copied."""

from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import make_url

from scv.db.migrate import migrate
from scv.settings import Settings

_migrated: list[bytes] = []
"""The bytes of the database file, once it is made."""


async def place_database(settings: Settings) -> None:
    """Put an empty database of the newest state where the settings want it. Another engine than SQLite migrates."""
    if make_url(settings.database_url).get_backend_name() != "sqlite":
        await migrate(settings)
        return
    if not _migrated:
        with TemporaryDirectory() as folder:
            template = Settings(data_dir=Path(folder)).resolved()
            await migrate(template)
            _migrated.append(_file_of(template).read_bytes())
    place = _file_of(settings)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(_migrated[0])


def _file_of(settings: Settings) -> Path:
    file = make_url(settings.database_url).database
    assert file
    return Path(file)
