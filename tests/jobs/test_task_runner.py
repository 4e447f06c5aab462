"""Tasks are done by real processes under a lease, whatever those do, and end for a reason that the user can read."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import ClassVar

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from scv.db import tasks
from scv.db.engine import Database
from scv.db.tables import Task, User
from scv.jobs import task_runner
from scv.jobs.reaper import reap_tasks
from scv.jobs.task_kind import TaskKind
from scv.jobs.task_protocol import Ending
from scv.jobs.task_runner import PLACES, TaskRunner
from scv.jobs.tasks import KINDS
from scv.message import Message, say
from scv.settings import Settings
from scv.stage import Stage
from tests.jobs.conftest import is_alive, until
from tests.jobs.example_process import COUNTING


class ExampleTask(TaskKind):
    """A kind whose subject is what its process does. Notes what the worker tells it."""

    name: ClassVar[str] = "example"
    process: ClassVar[str] = "tests.jobs.example_process"
    at_once: ClassVar[int] = 2
    lost: ClassVar[Message] = say("It was lost again and again. Try again later.")

    def __init__(self) -> None:
        self.recorded: list[Ending] = []
        self.cleared: list[Ending | None] = []

    async def argument(self, settings: Settings, database: Database, task: Task) -> str | None:
        return None if task.subject == "is gone" else msgspec.json.encode(task.subject).decode()

    async def record(self, settings: Settings, session: AsyncSession, task: Task, ending: Ending) -> Ending:
        self.recorded.append(ending)
        return ending

    async def clear(self, settings: Settings, database: Database, task: Task, ending: Ending | None) -> None:
        self.cleared.append(ending)


class OtherTask(ExampleTask):
    name: ClassVar[str] = "other"
    at_once: ClassVar[int] = 1


@pytest.fixture
def kind() -> ExampleTask:
    return ExampleTask()


@pytest.fixture
def processes() -> set[int]:
    return set()


@pytest.fixture
async def runner(
    settings: Settings, database: Database, kind: ExampleTask, processes: set[int]
) -> AsyncIterator[TaskRunner]:
    runner = TaskRunner(settings, database, processes, [kind, OtherTask()])
    yield runner
    await runner.close()


async def request(database: Database, subject: str, kind: str = "example") -> Task:
    async with database.writing() as session:
        user = await session.get(User, 1)
        if user is None:
            user = User(name="Ada")
            session.add(user)
            await session.flush()
        return await tasks.request(session, kind, subject, user_id=user.id, title=subject)


async def load(database: Database, task: Task) -> Task:
    async with database.reading() as session:
        return await session.get_one(Task, task.id)


async def until_stage(database: Database, task: Task) -> None:
    async def has_stage() -> bool:
        return (await load(database, task)).stage is not None

    await until(has_stage)


async def until_ended(database: Database, task: Task) -> Task:
    async def ended() -> bool:
        return not (await load(database, task)).active

    await until(ended)
    return await load(database, task)


@pytest.mark.parametrize(
    ("way", "state", "reason"),
    [
        ("prints", "done", "None"),
        ("fails", "failed", "The disk is full."),
        ("is broken", "failed", "an error in the program"),
        ("has no memory", "failed", "memory of the server is too small"),
        ("is gone", "stopped", "None"),
    ],
)
async def test_a_task_ends_as_its_process_says(
    database: Database, runner: TaskRunner, kind: ExampleTask, way: str, state: str, reason: str
) -> None:
    task = await request(database, way)
    await runner.run_waiting()
    done = await load(database, task)
    assert (done.state, done.attempt, done.lease_token) == (state, 1, None)
    assert reason in str(done.failure)
    assert kind.recorded == kind.cleared


@pytest.mark.parametrize("way", ["dies", "talks nonsense"])
async def test_a_process_that_is_lost_every_time_fails_after_the_last_attempt(
    database: Database, runner: TaskRunner, kind: ExampleTask, settings: Settings, way: str
) -> None:
    task = await request(database, way)
    await runner.run_waiting()
    failed = await load(database, task)
    assert (failed.state, failed.attempt) == ("failed", settings.attempts)
    assert failed.failure == kind.lost
    assert len(kind.recorded) == 1


async def test_a_process_that_is_silent_too_long_counts_as_lost(
    database: Database, settings: Settings, kind: ExampleTask, processes: set[int]
) -> None:
    task = await request(database, "is silent")
    impatient = replace(settings, silence_seconds=1.0, attempts=1)
    await TaskRunner(impatient, database, processes, [kind]).run_waiting()
    assert (await load(database, task)).failure == kind.lost
    assert not processes


async def test_how_far_a_process_is_stands_in_the_row(
    database: Database, runner: TaskRunner, processes: set[int]
) -> None:
    task = await request(database, "is silent")
    runner.wake()
    await until_stage(database, task)
    row = await load(database, task)
    assert (row.current_stage, row.fraction, row.state) == (Stage(COUNTING, 1, 4), 0.25, "running")
    assert len(processes) == 1


@pytest.mark.parametrize("way", ["goes on", "is deaf"])
async def test_a_wish_to_stop_ends_the_process_whether_it_listens_or_not(
    database: Database,
    runner: TaskRunner,
    processes: set[int],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    if way == "is deaf":
        monkeypatch.setattr(task_runner, "STOP_SECONDS", 0.1)
    task = await request(database, way)
    runner.wake()
    await until_stage(database, task)
    async with database.writing() as session:
        assert not await tasks.request_stop(session, task)
    stopped = await until_ended(database, task)
    assert (stopped.state, stopped.attempt, stopped.failure) == ("stopped", 1, None)
    assert not any(map(is_alive, processes))


async def test_a_killed_process_is_followed_by_another_that_does_the_same(
    database: Database, runner: TaskRunner, processes: set[int]
) -> None:
    task = await request(database, "goes on")
    runner.wake()
    await until_stage(database, task)
    (first,) = processes
    os.kill(first, signal.SIGKILL)

    async def is_second() -> bool:
        return (await load(database, task)).attempt == 2 and bool(processes - {first})

    await until(is_second)
    await until_stage(database, task)


async def test_a_worker_that_ends_gives_its_tasks_back(
    database: Database, runner: TaskRunner, processes: set[int]
) -> None:
    task = await request(database, "goes on")
    runner.wake()
    await until_stage(database, task)
    (process,) = processes
    await runner.close()
    waiting = await load(database, task)
    assert (waiting.state, waiting.attempt, waiting.lease_token, waiting.stage) == ("queued", 1, None, None)
    assert not is_alive(process)


async def test_a_task_that_is_taken_away_ends_the_process_and_clears_up(
    database: Database, runner: TaskRunner, kind: ExampleTask, processes: set[int]
) -> None:
    task = await request(database, "goes on")
    runner.wake()
    await until_stage(database, task)
    async with database.writing() as session:
        await tasks.forget(session, "example", ["goes on"])

    async def cleared() -> bool:
        return kind.cleared == [None]

    await until(cleared)
    assert not processes
    assert kind.recorded == []


async def test_as_many_of_a_kind_run_at_once_as_may_and_the_others_follow(
    database: Database, runner: TaskRunner, processes: set[int]
) -> None:
    first, second = await request(database, "goes on", "other"), await request(database, "is silent", "other")
    third = await request(database, "goes on")
    for _ in range(PLACES + 1):
        runner.wake()
    for task in (first, third):
        await until_stage(database, task)
    assert (await load(database, second)).state == "queued"
    assert len(processes) == 2
    async with database.writing() as session:
        await tasks.request_stop(session, first)
    await until_stage(database, second)
    assert (await load(database, first)).state == "stopped"


async def test_a_runner_finds_by_itself_what_waits(database: Database, runner: TaskRunner) -> None:
    looking = asyncio.create_task(runner.look_for_ever())
    task = await request(database, "prints")
    assert (await until_ended(database, task)).state == "done"
    looking.cancel()


async def lost(database: Database, settings: Settings, attempt: int) -> Task:
    """A report of no run whose worker was never heard of again in this attempt."""
    task = await request(database, "1", "report")
    for number in range(1, attempt + 1):
        async with database.writing() as session:
            held = await tasks.take(session, ["report"], -1)
            assert held is not None
            if number < attempt:
                await tasks.requeue_lost(session, held)
    return task


async def test_the_reaper_has_lost_tasks_tried_again_and_ends_them_at_last(
    database: Database, settings: Settings
) -> None:
    report = next(kind for kind in KINDS if kind.name == "report")
    task = await lost(database, settings, 1)
    await reap_tasks(settings, database)
    waiting = await load(database, task)
    assert (waiting.state, waiting.attempt) == ("queued", 2)
    async with database.writing() as session:
        await tasks.request_stop(session, waiting)
    task = await lost(database, settings, settings.attempts)
    await reap_tasks(settings, database)
    failed = await load(database, task)
    assert (failed.state, failed.failure) == ("failed", report.lost)


async def test_the_reaper_stops_what_was_to_stop_and_leaves_alone_what_a_worker_has(
    database: Database, settings: Settings
) -> None:
    task = await lost(database, settings, 1)
    async with database.writing() as session:
        await tasks.request_stop(session, task)
    await reap_tasks(settings, database)
    assert (await load(database, task)).state == "stopped"

    task = await request(database, "2", "report")
    async with database.writing() as session:
        held = await tasks.take(session, ["report"], 60)
    await reap_tasks(settings, database)
    assert held is not None
    assert (await load(database, task)).lease_token == held.lease_token


async def test_a_task_of_a_newer_version_of_scv_is_left_alone(database: Database, settings: Settings) -> None:
    task = await request(database, "svhn", "teleport")
    async with database.writing() as session:
        await tasks.take(session, ["teleport"], -1)
    await reap_tasks(settings, database)
    assert (await load(database, task)).state == "running"


def test_every_kind_says_what_can_be_done_when_it_is_lost() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert all("try again" in str(kind.lost) for kind in KINDS)
