"""A migrated database in a temporary file, and people and models in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from scv.blocks.document import Document
from scv.db.engine import Database
from scv.db.migrate import migrate
from scv.db.models import create_model
from scv.db.tables import Model, Run, User, Version
from scv.settings import Settings
from scv.training.settings import TrainingSettings


@pytest.fixture
async def database(tmp_path: Path, database_url: str) -> AsyncIterator[Database]:
    await migrate(Settings(data_dir=tmp_path, database_url=database_url))
    database = Database(database_url)
    yield database
    await database.close()


async def add_user(database: Database, name: str = "Ada") -> User:
    async with database.writing() as session:
        user = User(name=name)
        session.add(user)
    return user


async def add_model(database: Database, user: User, name: str = "First", dataset: str = "digits") -> Model:
    async with database.writing() as session:
        return await create_model(session, user, name, dataset, Document(), TrainingSettings())


async def add_run(database: Database, version: Version) -> Run:
    async with database.writing() as session:
        run = Run(version_id=version.id, document=Document(), settings=TrainingSettings(), dataset="digits")
        session.add(run)
    return run
