"""Versions of people's own datasets, made by a real interactive worker."""

import os
import signal

import msgspec

from scv.data.own.changes import Changes
from scv.data.resident import open_resident
from scv.db import datasets
from scv.db.engine import Database
from scv.db.tables import DatasetVersion, User
from scv.files import Files, draft_folder
from scv.jobs.queue import Queue
from scv.settings import Settings
from tests.data.image_files import classes, write_zip
from tests.jobs.conftest import StartWorker, until, until_task_ended
from tests.jobs.serving import processes


async def wanted(database: Database, settings: Settings, each: int) -> DatasetVersion:
    """A version that waits to be made of an uploaded zip; nobody has enqueued it."""
    async with database.writing() as session:
        user = User(name="Ada")
        session.add(user)
        await session.flush()
        dataset = await datasets.create_dataset(session, user, "Pets", image_size=28)
        dataset = await datasets.get_editable_dataset(session, user, dataset.id)
        changes = msgspec.json.encode(Changes(draft=True)).decode()
        version = await datasets.begin_version(session, dataset, changes)
    folder = Files(settings.data_dir / "files").folder(draft_folder(dataset.id))
    write_zip(folder / "upload.zip", classes(3, each))
    return version


async def ready(database: Database, version: DatasetVersion) -> bool:
    async with database.reading() as session:
        return (await session.get_one(DatasetVersion, version.id)).status == "ready"


async def test_a_worker_makes_what_waits(
    start_worker: StartWorker, database: Database, settings: Settings, queue: Queue
) -> None:
    await start_worker(queue="interactive")
    version = await wanted(database, settings, 10)
    await queue.wake_task_runner()
    assert (await until_task_ended(database, "version", version.name)).state == "done"
    resident = open_resident(settings.data_dir, version.name)
    async with database.reading() as session:
        made = await session.get_one(DatasetVersion, version.id)
        assert (made.hash, made.class_names, made.train) == (resident.hash, ["a", "b", "c"], [8, 8, 8])

    async def discarded() -> bool:
        return not (settings.data_dir / "files" / draft_folder(version.dataset_id)).exists()

    await until(discarded)


async def test_what_a_killed_worker_was_making_is_made_by_the_next(
    start_worker: StartWorker, database: Database, settings: Settings
) -> None:
    version = await wanted(database, settings, 400)
    worker = await start_worker(queue="interactive")
    folder = settings.data_dir / "datasets"

    async def begun() -> bool:
        return folder.is_dir() and any(path.is_dir() for path in folder.glob(f".{version.name}-*"))

    await until(begun)
    await worker.kill()
    assert not await ready(database, version)

    await start_worker(queue="interactive")
    task = await until_task_ended(database, "version", version.name)
    assert (task.state, task.attempt) == ("done", 2)
    assert open_resident(settings.data_dir, version.name).class_names == ("a", "b", "c")
    assert not list(folder.glob(f".{version.name}-*")), "what the killed one left is swept away"


async def test_a_process_that_is_lost_every_time_is_told_and_what_was_sent_is_kept(
    start_worker: StartWorker, database: Database, settings: Settings
) -> None:
    version = await wanted(database, settings, 400)
    await start_worker(queue="interactive", attempts=1)

    async def killed() -> bool:
        children = [pid for _, pid in processes(settings, {"scv.jobs.version_process"})]
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        return bool(children)

    await until(killed)
    failed = await until_task_ended(database, "version", version.name)
    assert failed.state == "failed"
    assert "cut off again and again" in str(failed.failure)
    async with database.writing() as session:
        user = await session.get_one(User, 1)
        dataset = await datasets.get_editable_dataset(session, user, version.dataset_id)
        assert "cut off again and again" in (dataset.failure or "")
        assert dataset.versions == []
        again = await datasets.begin_version_again(session, user, failed)
    assert not (settings.data_dir / "datasets" / version.name).exists()
    await until(lambda: ready(database, again))
