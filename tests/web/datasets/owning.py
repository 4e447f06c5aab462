"""Datasets of a person, begun and made as the pages and a worker do it."""

import asyncio
import os
import signal
from pathlib import Path

import msgspec
from sqlalchemy import select

from scv.data.own.changes import Changes
from scv.db import datasets
from scv.db.tables import Dataset, DatasetVersion, User
from scv.files import draft_folder
from scv.jobs.task_runner import TaskRunner
from scv.jobs.version_task import VersionTask
from scv.settings import Settings
from tests.data.image_files import classes, write_zip
from tests.web.conftest import Visitor


async def begin(visitor: Visitor, user: User, name: str, *, size: int = 28, changes: Changes) -> Dataset:
    async with visitor.database.writing() as session:
        dataset = await datasets.create_dataset(session, user, name, image_size=size)
        dataset = await datasets.get_editable_dataset(session, user, dataset.id)
        await datasets.begin_version(session, dataset, msgspec.json.encode(changes).decode())
    return dataset


def draft(settings: Settings, dataset_id: int) -> Path:
    return settings.data_dir / "files" / draft_folder(dataset_id)


async def make_waiting(visitor: Visitor, settings: Settings, at_work: set[int] | None = None) -> None:
    """Make all versions that wait, as a worker does. `at_work` holds the ids of the processes."""
    await TaskRunner(settings, visitor.database, set() if at_work is None else at_work, [VersionTask()]).run_waiting()


async def add_dataset(
    visitor: Visitor,
    settings: Settings,
    files: dict[str, bytes] | None = None,
    user: User | None = None,
    name: str = "Pets",
) -> Dataset:
    """A dataset of two classes, `a` and `b`, with one version, made as a worker makes it."""
    dataset = await begin(visitor, user or await visitor.user(), name, changes=Changes(draft=True))
    draft(settings, dataset.id).mkdir(parents=True)
    write_zip(draft(settings, dataset.id) / "upload.zip", files or classes(2, 10))
    await make_waiting(visitor, settings)
    return dataset


async def versions_of(visitor: Visitor, dataset: Dataset) -> list[DatasetVersion]:
    async with visitor.database.reading() as session:
        found = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset.id).order_by(DatasetVersion.number)
        return list(await session.scalars(found))


async def begun(visitor: Visitor, settings: Settings, images: int = 100) -> tuple[Dataset, asyncio.Task[None], int]:
    """A dataset of an uploaded zip, the job that makes its first version, and the process that is stopped in it."""
    dataset = await begin(visitor, await visitor.user(), "Pets", changes=Changes(draft=True))
    draft(settings, dataset.id).mkdir(parents=True)
    write_zip(draft(settings, dataset.id) / "upload.zip", classes(2, images))
    at_work: set[int] = set()
    work = asyncio.create_task(make_waiting(visitor, settings, at_work))
    process = await until_at_work(at_work)
    os.kill(process, signal.SIGSTOP)
    await until_nobody_writes(visitor)
    return dataset, work, process


async def until_at_work(at_work: set[int]) -> int:
    """The id of the process that makes a version, as soon as there is one."""
    while not at_work:  # noqa: ASYNC110 - another process is waited for
        await asyncio.sleep(0.01)
    (process,) = at_work
    return process


async def until_nobody_writes(visitor: Visitor) -> None:
    """Wait until no transaction is open.

    The test client blocks this loop until a request is answered, which it never would be while a task of this loop
    keeps the database locked, to renew its lease say.
    """
    async with visitor.database.writing() as session:
        await session.execute(select(1))
