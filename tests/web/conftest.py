"""The application on a fresh data folder, and people who visit it."""

import re
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from scv.blocks.document import Block, Document
from scv.db import models, users
from scv.db.tables import Run, User, Version
from scv.settings import Settings
from scv.training.settings import TrainingSettings
from scv.web.app import create_app
from scv.web.http.services import Services
from tests.migrated import place_database

GOOD = Document(
    blocks=(
        Block("conv1", "Conv2d", {"out_channels": 4}),
        Block("relu1", "ReLU"),
        Block("flatten1", "Flatten"),
        Block("linear1", "Linear", {"out_features": 10}),
    )
)
"""A network for Digits that has no errors."""

BROKEN = Document(blocks=(Block("conv1", "Conv2d", {"out_channels": 4}), Block("linear1", "Linear")))
"""A network for Digits that lacks a Flatten."""


class Visitor:
    """A browser without JavaScript, or with `htmx=True` what htmx would send."""

    def __init__(self, client: httpx.AsyncClient, services: Services) -> None:
        self.client = client
        self.services = services
        self.database = services.database

    async def sign_in(self) -> None:
        async with self.database.writing() as session:
            token = await users.create_signin_link(session, minutes=5)
        answer = await self.client.get(f"/sign-in?token={token}")
        assert answer.status_code == 200, answer.text

    async def user(self) -> User:
        """The owner, whom a sign-in made."""
        async with self.database.reading() as session:
            user = await session.get(User, 1)
        assert user is not None
        return user

    async def csrf(self) -> str:
        page = await self.client.get("/sign-in")
        return re.findall(r'name="_csrf_token" value="(\w+)"', page.text)[0]

    async def get(self, path: str, *, target: str = "", headers: Mapping[str, str] | None = None) -> httpx.Response:
        htmx = {"HX-Request": "true", "HX-Target": target} if target else {}
        return await self.client.get(path, headers={**htmx, **(headers or {})})

    async def post(self, path: str, fields: Mapping[str, Any], *, htmx: bool = False) -> httpx.Response:
        data = {"_csrf_token": await self.csrf(), **fields}
        headers = {"HX-Request": "true", "HX-Target": "editor"} if htmx else {}
        return await self.client.post(path, data=data, headers=headers)

    async def operate(self, version: Version, htmx: bool = True, **fields: Any) -> httpx.Response:
        """Post the editor's form; `operation` may be given as data."""
        if "operation" in fields and not isinstance(fields["operation"], str):
            fields["operation"] = msgspec.json.encode(fields["operation"]).decode()
        fields = {"revision": version.revision} | {name.replace("__", ":"): text for name, text in fields.items()}
        return await self.post(f"{path_of(version)}/operations", fields, htmx=htmx)


async def sign_in_as_somebody(visitor: Visitor, name: str = "Mallory") -> User:
    """Have the browser be that of a new user, who is not the owner."""
    async with visitor.database.writing() as session:
        user = User(name=name)
        session.add(user)
        await session.flush()
        token = await users.start_session(session, user, days=1)
    cookie = visitor.services.session_cookie.write(token)
    visitor.client.cookies[cookie.key] = cookie.value or ""
    return user


def path_of(version: Version) -> str:
    return f"/models/{version.model_id}/versions/{version.number}"


async def add_version(
    visitor: Visitor, document: Document = GOOD, user: User | None = None, name: str = "Digit reader"
) -> Version:
    """A model for Digits with one version."""
    user = user or await visitor.user()
    async with visitor.database.writing() as session:
        model = await models.create_model(session, user, name, "digits", document, TrainingSettings())
    return model.versions[0]


async def add_run(visitor: Visitor, version: Version, **columns: Any) -> Run:
    async with visitor.database.writing() as session:
        run = Run(
            version_id=version.id,
            document=version.document,
            settings=version.settings,
            **{"dataset": "digits", **columns},
        )
        session.add(run)
    return run


async def reload(visitor: Visitor, version: Version) -> Version:
    async with visitor.database.reading() as session:
        return await session.get_one(Version, version.id)


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    """No broker answers here: the pages must work without one."""
    settings = Settings(data_dir=tmp_path).resolved()
    await place_database(settings)
    return settings


@pytest.fixture(scope="session")
def wired_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder that the application was made for; it has its secret."""
    return tmp_path_factory.mktemp("wired")


@pytest.fixture(scope="session")
def wired(wired_dir: Path) -> Litestar:
    """The application, made once: to make its routes and to compile its templates takes longer than most tests."""
    return create_app(Settings(data_dir=wired_dir).resolved())


@pytest.fixture
def app(wired: Litestar, wired_dir: Path, settings: Settings) -> Litestar:
    """The application on this test's data folder: it opens its database, its queue and its files when it starts.

    The folder gets the secret that the forms are checked with: what else serves it gives and takes the same tokens.
    """
    shutil.copy(wired_dir / "secret.key", settings.data_dir)
    wired.state.settings = settings
    return wired


@pytest.fixture
async def stranger(app: Litestar) -> AsyncIterator[Visitor]:
    """Somebody who is not signed in."""
    async with AsyncTestClient(app, raise_server_exceptions=False) as client:
        client.follow_redirects = True
        yield Visitor(client, app.state.services)


@pytest.fixture
async def owner(stranger: Visitor) -> Visitor:
    """The same, signed in."""
    await stranger.sign_in()
    return stranger
