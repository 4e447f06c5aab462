"""A data folder with a migrated database and a running broker, and runs on Digits to train."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from scv.blocks.document import Document
from scv.db import leases, tasks
from scv.db.engine import Database
from scv.db.models import create_model
from scv.db.tables import EpochMetric, Run, Task, User
from scv.jobs.broker import Broker
from scv.jobs.queue import Queue
from scv.settings import ROOT, Settings
from scv.training.settings import TrainingSettings
from tests.migrated import place_database

# So small that torch does not share the work among threads, which would be slow on a busy machine.
SMALL_NETWORK = """{"format": 1, "blocks": [
    {"id": "f1", "type": "Flatten"},
    {"id": "l1", "type": "Linear", "params": {"out_features": 10}}
]}"""

LONG: dict[str, Any] = {"epochs": 500, "batch_size": 4}
"""Settings of a run that ends only if it is ended."""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path


@pytest.fixture
async def broker(data_dir: Path) -> AsyncIterator[Broker]:
    async with Broker(data_dir, data_dir / "logs" / "broker.log") as broker:
        yield broker


@pytest.fixture
async def settings(data_dir: Path, broker: Broker, database_url: str, fork_server: str) -> Settings:
    settings = Settings(
        data_dir=data_dir,
        database_url=database_url,
        redis_url=broker.url,
        fork_server=fork_server,
        lease_seconds=3,
        device="cpu",
    ).resolved()
    await place_database(settings)
    return settings


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings.database_url)
    yield database
    await database.close()


@pytest.fixture
async def queue(settings: Settings) -> AsyncIterator[Queue]:
    queue = Queue.open(settings)
    yield queue
    await queue.close()


async def add_run(
    database: Database,
    *,
    epochs: int = 3,
    batch_size: int = 16,
    dataset: str = "digits",
    document: str = SMALL_NETWORK,
    user: User | None = None,
) -> Run:
    """A queued run, of a new user where none is given; nobody has enqueued it."""
    settings = TrainingSettings(epochs=epochs, batch_size=batch_size)
    async with database.writing() as session:
        if user is None:
            user = User(name="Ada")
            session.add(user)
            await session.flush()
        model = await create_model(session, user, "Net", "digits", Document(), settings)
        run = Run(version_id=model.versions[0].id, document_json=document, settings=settings, dataset=dataset)
        session.add(run)
    return run


async def load(database: Database, run: Run) -> Run:
    async with database.reading() as session:
        return await session.get_one(Run, run.id)


async def epochs_of(database: Database, run: Run) -> list[int]:
    async with database.reading() as session:
        query = select(EpochMetric.epoch).where(EpochMetric.run_id == run.id).order_by(EpochMetric.epoch)
        return list(await session.scalars(query))


async def until(condition: Callable[[], Awaitable[object]], seconds: float = 240) -> None:
    """Wait until the condition holds; the limit only ends a test that has failed already."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - other processes are waited for
            await asyncio.sleep(0.05)


async def until_epoch(database: Database, run: Run, epoch: int) -> None:
    async def reached() -> bool:
        async with database.reading() as session:
            return await leases.count_epochs(session, run.id) >= epoch

    await until(reached)


async def until_ended(database: Database, run: Run) -> Run:
    async def ended() -> bool:
        return not (await load(database, run)).active

    await until(ended)
    return await load(database, run)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class WorkerProcess:
    """A real `scv worker`, as the supervisor starts it; `log` is what it and its processes write."""

    def __init__(self, process: Process, log: Path) -> None:
        self.process = process
        self.log = log

    def children(self) -> list[int]:
        """The training processes it has used so far, the newest last."""
        return [int(pid) for pid in re.findall(r"a training begins .*\bchild=(\d+)", self.log.read_text())]

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def end(self) -> int:
        if self.process.returncode is None:
            self.process.terminate()
        return await self.process.wait()


StartWorker = Callable[..., Awaitable[WorkerProcess]]


@pytest.fixture
async def start_worker(settings: Settings) -> AsyncIterator[StartWorker]:
    """Starts workers, and ends those that are still there after the test."""
    started: list[WorkerProcess] = []

    async def start(*options: str, queue: str = "train", **changes: object) -> WorkerProcess:
        changed = replace(settings, **changes)  # type: ignore[arg-type]
        log = settings.data_dir / "logs" / f"worker-{len(started)}.log"
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "scv", "worker", "--queue", queue, *options),
                cwd=ROOT,
                env={**os.environ, **changed.environment()},
                stdout=file,
                stderr=file,
            )
        started.append(WorkerProcess(process, log))
        return started[-1]

    yield start
    for worker in started:
        await worker.end()


async def task_of(database: Database, kind: str, subject: str) -> Task:
    """The task of this kind and subject, as it is now."""
    async with database.reading() as session:
        task = await tasks.find(session, kind, subject)
    assert task is not None
    return task


async def until_task_ended(database: Database, kind: str, subject: str, seconds: float = 240) -> Task:
    async def ended() -> bool:
        return not (await task_of(database, kind, subject)).active

    await until(ended, seconds)
    return await task_of(database, kind, subject)


async def request_preparation(database: Database, name: str) -> Task:
    """A user who wants an official dataset prepared."""
    async with database.writing() as session:
        user = User(name="Ada")
        session.add(user)
        await session.flush()
        return await tasks.request(session, "prepare", name, user_id=user.id, title=name)
