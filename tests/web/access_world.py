"""A running application with one object of every kind in it, all of them Ada's, and people who come to see them."""

import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from litestar import Litestar
from litestar.testing import AsyncTestClient

from scv.blocks.document import Block, Document
from scv.data.own.changes import Changes
from scv.data.own.draft import Draft
from scv.db import datasets, models, tasks, users
from scv.db.base import now
from scv.db.migrate import migrate
from scv.db.tables import Dataset, DatasetVersion, EpochMetric, Run, Task, User, Version
from scv.files import draft_folder, report_folder, run_folder, weights_key
from scv.jobs.broker import Broker
from scv.jobs.open_dataset import images_of
from scv.ml.report.report import make_report
from scv.ml.train.train import train
from scv.ml.trained import load_trained
from scv.settings import Settings
from scv.training.progress import EpochMetrics
from scv.training.settings import TrainingSettings
from scv.web.app import create_app
from tests.data.image_files import classes
from tests.ml.conftest import Listener, never
from tests.web.conftest import Visitor
from tests.web.datasets.owning import add_dataset, make_waiting

TINY = Document(blocks=(Block("flatten1", "Flatten"), Block("linear1", "Linear", {"out_features": 10})))
"""A network for Digits that is trained and explained within seconds."""

NAMES = ("Secret reader", "Secret pets")
"""What Ada's models and datasets are called: a stranger must not read it anywhere."""

Files = Sequence[tuple[str, tuple[str, bytes]]]


class World:
    """The application and its people: Ada, whose everything is; Mallory, a member; the owner of the instance.

    `run` has finished, with real weights and a whole report; `pets` is a dataset with two versions that are made;
    `draft` has images in two classes. The methods make more of their kind for a request that uses one up.
    """

    def __init__(self, app: Litestar, visitor: Visitor, settings: Settings) -> None:
        self.app = app
        self.visitor = visitor
        self.settings = settings
        self.database = visitor.database
        self._sessions: dict[str, str] = {}

    async def build(self) -> None:
        """Let the people sign in, and make their objects."""
        self.owner = await self._person("Owner", role="owner")
        self.ada = await self._person("Ada")
        self.mallory = await self._person("Mallory")
        self._csrf = await self.visitor.csrf()
        self.run = await self._trained()
        self.pets = await add_dataset(self.visitor, self.settings, user=self.ada, name=NAMES[1])
        async with self.database.writing() as session:
            dataset = await datasets.get_editable_dataset(session, self.ada, self.pets.id)
            changes = msgspec.json.encode(Changes(renamed={"b": "c"})).decode()
            await datasets.begin_version(session, dataset, changes)
        await make_waiting(self.visitor, self.settings)
        self.draft = await self.new_draft()

    async def _person(self, name: str, **columns: Any) -> User:
        async with self.database.writing() as session:
            user = User(name=name, **columns)
            session.add(user)
            await session.flush()
            self._sessions[name] = await users.start_session(session, user, days=1)
        return user

    async def request(
        self,
        user: User | None,
        method: str,
        address: str,
        fields: Mapping[str, Any] | None = None,
        files: Files | None = None,
    ) -> httpx.Response:
        """What somebody gets, None being a visitor; redirects are not followed."""
        client, cookie = self.visitor.client, self.visitor.services.session_cookie
        client.cookies.delete(cookie.name)
        if user is not None:
            client.cookies[cookie.name] = cookie.write(self._sessions[user.name]).value or ""
        if method == "GET":
            return await client.get(address, follow_redirects=False)
        data = {"_csrf_token": self._csrf, **(fields or {})}
        return await client.post(address, data=data, files=list(files or ()) or None, follow_redirects=False)

    async def new_version(self) -> Version:
        """The first version of a new model for Digits."""
        settings = TrainingSettings(epochs=1, seed=1)
        async with self.database.writing() as session:
            model = await models.create_model(session, self.ada, NAMES[0], "digits", TINY, settings)
        return model.versions[0]

    async def new_run(self, **columns: Any) -> Run:
        """A run of a new model, which waits for a worker unless `columns` say otherwise."""
        version = await self.new_version()
        columns = {"document": version.document, "settings": version.settings, "dataset": "digits", **columns}
        async with self.database.writing() as session:
            run = Run(version_id=version.id, **columns)
            session.add(run)
            await session.flush()
            run.series = run.id
        return run

    async def _trained(self) -> Run:
        files, data_dir, heard = self.visitor.services.files, self.settings.data_dir, Listener()
        figures = {"status": "finished", "best_epoch": 1, "seconds": 1.0, "parameters": 650}
        run = await self.new_run(test_accuracy=0.5, test_loss=1.0, **figures)
        folder, resident = files.folder(run_folder(run.id)), images_of(data_dir, "digits")
        settings = TrainingSettings(epochs=1, seed=1)
        train(TINY, settings, resident, folder=folder, device="cpu", emit=heard, should_stop=never)
        key = weights_key(run.id)
        make_report(load_trained(files.path(key)), resident, files.path(report_folder(run.id)), threads=1)
        async with self.database.writing() as session:
            (await session.get_one(Run, run.id)).weights = key
            for metrics in heard.of(EpochMetrics):
                session.add(EpochMetric(run_id=run.id, **msgspec.structs.asdict(metrics)))
        return run

    async def new_dataset(self) -> Dataset:
        """A dataset with two versions in the database, where the pages that change a dataset look."""
        async with self.database.writing() as session:
            dataset = await datasets.create_dataset(session, self.ada, NAMES[1])
            dataset.last_number = 2
            for number in (1, 2):
                figures = {"class_names": ["a", "b"], "train": [6, 6], "validation": [2, 2], "test": [2, 2]}
                name = datasets.resident_name(dataset.id, number)
                session.add(DatasetVersion(dataset_id=dataset.id, number=number, name=name, status="ready", **figures))
        return dataset

    async def new_task(self, *, stopped: bool = False) -> tuple[Dataset, Task]:
        """A third version of a new dataset that waits to be made, and the task; or one that was stopped."""
        dataset = await self.new_dataset()
        changes = msgspec.json.encode(Changes(renamed={"a": "c"})).decode()
        async with self.database.writing() as session:
            dataset = await datasets.lock_editable_dataset(session, self.ada, dataset.id)
            version = await datasets.begin_version(session, dataset, changes)
        async with self.database.writing() as session:
            waiting = await datasets.version_to_make(session, version.name)
            assert waiting is not None
            if stopped:
                await datasets.stop_version(session, waiting)
            task = await tasks.find(session, "version", version.name)
        assert task is not None
        return dataset, task

    async def publish(self, dataset_id: object, *, published: bool) -> None:
        """Let others see a dataset, also one that has nothing in it yet; or not any more."""
        async with self.database.writing() as session:
            (await session.get_one(Dataset, dataset_id)).published_at = now() if published else None

    async def new_draft(self, *, empty: bool = False) -> Dataset:
        """A dataset without any version, with five images in each of the classes `a` and `b` unless it is empty."""
        async with self.database.writing() as session:
            dataset = await datasets.create_dataset(session, self.ada, NAMES[1], image_size=28)
        draft = Draft(self.visitor.services.files.path(draft_folder(dataset.id)))
        for name, content in {} if empty else classes(2, 5).items():
            draft.add_class(name[0])
            sent = self.settings.data_dir / "sent.png"
            sent.write_bytes(content)
            draft.add_image(name[0], sent)
        return dataset


@asynccontextmanager
async def open_world(folder: Path) -> AsyncIterator[World]:
    """The application in an empty folder, with a real broker."""
    async with Broker(folder, folder / "logs" / "broker.log") as broker:
        settings = Settings(data_dir=folder, redis_url=broker.url, device="cpu").resolved()
        await migrate(settings)
        app = create_app(settings)
        async with AsyncTestClient(app, raise_server_exceptions=False) as client:
            world = World(app, Visitor(client, app.state.services), settings)
            await world.build()
            yield world
    shutil.rmtree(folder, ignore_errors=True)
