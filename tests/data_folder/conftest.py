"""The data folder of migration 0007, opened by the pages as they are today."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from scv.db.engine import Database
from scv.db.migrate import migrate
from scv.settings import Settings
from scv.web.app import create_app
from tests.data_folder.folder import OWNER, SECOND, unpack
from tests.jobs.conftest import start_worker as start_worker
from tests.web.conftest import Visitor


@pytest.fixture
def unpacked(tmp_path: Path, fork_server: str) -> Settings:
    """The folder as it was left."""
    return Settings(data_dir=unpack(tmp_path / "data"), fork_server=fork_server, device="cpu").resolved()


@pytest.fixture
async def settings(unpacked: Settings) -> Settings:
    """The folder after its database was brought to today's state; neither broker nor workers are there."""
    await migrate(unpacked)
    return unpacked


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings.database_url)
    yield database
    await database.close()


@pytest.fixture
async def app(settings: Settings) -> Litestar:
    return create_app(settings)


@pytest.fixture
async def stranger(app: Litestar) -> AsyncIterator[Visitor]:
    """Somebody who is not signed in."""
    async with AsyncTestClient(app, raise_server_exceptions=False) as client:
        client.follow_redirects = True
        yield Visitor(client, app.state.services)


@pytest.fixture
def owner(stranger: Visitor) -> Visitor:
    """User 1, whose browser is signed in since before the migration."""
    return be(stranger, OWNER)


@pytest.fixture
def second(stranger: Visitor) -> Visitor:
    """User 2, the same; no test has both."""
    return be(stranger, SECOND)


def be(visitor: Visitor, token: str) -> Visitor:
    """Have the browser be that of this session."""
    cookie = visitor.services.session_cookie.write(token)
    visitor.client.cookies[cookie.key] = cookie.value or ""
    return visitor
