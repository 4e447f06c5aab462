"""Whatever is killed amid a task of any kind, at whatever moment: the work ends right, and nothing stays running.

A real `scv serve` prepares a dataset, makes a version and a report, while its processes get SIGKILL at random moments.
TEST_SEED repeats the choices of a run of this test; the moments of the processes themselves are never quite equal.
TEST_KILLS=5 goes round five times, for nights.
"""

import asyncio
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from scv.data.own.changes import Changes
from scv.data.resident import open_resident
from scv.data.resident_writer import remove_resident
from scv.db import datasets, tasks
from scv.db.engine import Database
from scv.db.tables import DatasetVersion, Task, User
from scv.files import Files, draft_folder
from scv.jobs.tasks import KINDS
from scv.ml.prepare_official import prepare
from scv.ml.report.report import SECTIONS
from scv.settings import Settings
from scv.web.reports.render_sections import planned_sections
from tests.data.image_files import classes, write_zip
from tests.jobs.conftest import is_alive, request_preparation, until
from tests.jobs.serving import end, free_port, processes, start, until_it_answers, until_nothing_runs
from tests.jobs.test_report_process import folder_of, trained

ROUNDS = int(os.environ.get("TEST_KILLS", "1"))

WORK = {kind.process for kind in KINDS}
"""The processes that do tasks."""

KILLS = {**dict.fromkeys(sorted(WORK), 2), "interactive": 2, "broker": 1, "web": 1, "scv.jobs.fork_server": 1}
"""How often each kind of process is killed in a round."""

WAIT = (0.0, 1.5)
"""Seconds from the moment when a process of the kind is there to its end."""

NEW_SECTIONS = {"layers", "similarity", "labels", "parity"}
"""The sections of a report that are made anew; making all of them takes long."""

EACH = 500
"""Images of each of three classes."""


@pytest.fixture
async def settings(tmp_path: Path, engine: str, database_url: str) -> AsyncIterator[Settings]:
    settings = Settings(
        data_dir=tmp_path / "data",
        database_url=database_url if engine == "postgresql" else "",
        port=free_port(),
        device="cpu",
        lease_seconds=1,
        attempts=1000,
    )
    process = await start(settings)
    yield settings.resolved()
    await end(process)
    await until_nothing_runs(settings)
    assert [name for name, _ in processes(settings, WORK)] == []
    assert process.returncode == 0


class Watched:
    """What the rows of the tasks were, in order, as far as somebody saw it."""

    def __init__(self) -> None:
        self._tokens: dict[int, list[str]] = {}
        self._attempts: dict[int, int] = {}
        self.faults: list[str] = []

    async def watch(self, database: Database) -> None:
        """Look again and again, until cancelled."""
        while True:
            async with database.reading() as session:
                for task in await session.scalars(select(Task)):
                    self._see(task)
            await asyncio.sleep(0.05)

    def _see(self, task: Task) -> None:
        tokens = self._tokens.setdefault(task.id, [])
        if task.lease_token is not None and task.lease_token not in tokens[-1:]:
            if task.lease_token in tokens:
                self.faults.append(f"task {task.id}: a lease that was lost came back")
            tokens.append(task.lease_token)
        if task.attempt < self._attempts.get(task.id, 1):
            self.faults.append(f"task {task.id}: attempt {task.attempt} came late")
        self._attempts[task.id] = task.attempt


async def request_version(database: Database, settings: Settings) -> DatasetVersion:
    """A user who sent a zip and wants a dataset of it."""
    async with database.writing() as session:
        user = User(name="Ada")
        session.add(user)
        await session.flush()
        dataset = await datasets.create_dataset(session, user, "Pets", image_size=28)
    folder = Files(settings.data_dir / "files").folder(draft_folder(dataset.id))
    await asyncio.to_thread(write_zip, folder / "upload.zip", classes(3, EACH))
    async with database.writing() as session:
        dataset = await datasets.get_editable_dataset(session, user, dataset.id)
        return await datasets.begin_version(session, dataset, msgspec.json.encode(Changes(draft=True)).decode())


async def prepare_anew(settings: Settings, database: Database) -> None:
    """A user who wants Digits, which is not there any more."""
    remove_resident(settings.data_dir, "digits")
    async with database.writing() as session:
        await tasks.forget_ended(session, "prepare", ["digits"])
    await request_preparation(database, "digits")


async def active(database: Database) -> list[Task]:
    async with database.reading() as session:
        return list(await session.scalars(select(Task).where(Task.state.in_(("queued", "running")))))


async def kill_one(settings: Settings, database: Database, kind: str, chance: random.Random) -> bool:
    """Kill a process of the kind soon after there is one; returns whether a task was at work then."""

    def there() -> list[int]:
        return [pid for _, pid in processes(settings, [kind])]

    async def is_there_or_not_needed() -> bool:
        return bool(there()) or not await active(database)

    await until(is_there_or_not_needed)
    await asyncio.sleep(chance.uniform(*WAIT))
    at_work = any(True for _ in processes(settings, WORK))
    for pid in there()[:1]:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)
    return at_work


async def test_every_task_ends_right_whatever_is_killed(settings: Settings, tmp_path: Path) -> None:
    seed = int(os.environ.get("TEST_SEED", time.time_ns() % 1_000_000))
    sys.stdout.write(f"TEST_SEED={seed}\n")
    chance = random.Random(seed)
    expected = (await asyncio.to_thread(prepare, tmp_path / "alone", "digits")).hash
    await until_it_answers(settings)
    database, watched, met = Database(settings.database_url), Watched(), Counter[bool]()
    watching = asyncio.create_task(watched.watch(database))
    try:
        for _ in range(ROUNDS):
            kept = {section.name for section in SECTIONS} - NEW_SECTIONS
            run = await trained(settings, database, kept=kept)
            version = await request_version(database, settings)
            await prepare_anew(settings, database)

            kills = [kind for kind, times in KILLS.items() for _ in range(times)]
            chance.shuffle(kills)
            for kind in kills:
                if not await active(database):  # a fast machine has done all of it: there is to be work to be killed in
                    await prepare_anew(settings, database)
                met[await kill_one(settings, database, kind, chance)] += 1

            async def all_ended() -> bool:
                return not await active(database)

            await until(all_ended, 600)
            async with database.reading() as session:
                rows = list(await session.scalars(select(Task).order_by(Task.id)))
                made = await session.get_one(DatasetVersion, version.id)
            assert {(row.kind, row.state, str(row.failure), row.lease_token) for row in rows} == {
                (kind.name, "done", "None", None) for kind in KINDS
            }
            assert open_resident(settings.data_dir, "digits").hash == expected
            assert (made.status, made.hash) == ("ready", open_resident(settings.data_dir, version.name).hash)
            assert sum(made.train) + sum(made.test) == 3 * EACH
            assert {section.state for section in planned_sections(folder_of(settings, run))} == {"done"}
            left = (path.name for path in (settings.data_dir / "datasets").glob(".*") if path.suffix != ".lock")
            assert list(left) == []
        sys.stdout.write(f"{met.total()} kills, {met[True]} of them amid a task\n")
        assert watched.faults == []
        assert met[True] > 0
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await database.close()
        shutil.rmtree(tmp_path / "alone", ignore_errors=True)
