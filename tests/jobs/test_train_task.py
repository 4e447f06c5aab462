"""A trainer in this process, with real training children, a real database and a real broker."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from scv.db import leases, models, runs, tasks
from scv.db.engine import Database
from scv.db.tables import Model, Run, User
from scv.files import Files, run_folder, weights_key
from scv.jobs.events import Retrying, follow
from scv.jobs.queue import Queue
from scv.jobs.train_process import INTERNAL
from scv.jobs.train_processes import Child, Spare
from scv.jobs.train_protocol import Train
from scv.jobs.train_task import Trainer
from scv.settings import Settings
from scv.training.progress import EpochMetrics, Failed, Result, Started, Stopped
from tests.jobs.conftest import LONG, add_run, epochs_of, is_alive, load, task_of, until, until_ended, until_epoch

pytestmark = pytest.mark.engines("sqlite")


class WatchedSpare(Spare):
    """Notes which children were given work.

    Keeps none warm, unless a test wants that.
    """

    def __init__(self, fork_server: str) -> None:
        super().__init__(fork_server)
        self.used: list[int] = []
        self.keeps_warm = False

    async def warm(self) -> None:
        if self.keeps_warm:
            await super().warm()

    async def take(self) -> Child:
        child = await super().take()
        self.used.append(child.pid)
        return child


@pytest.fixture
async def spare(fork_server: str) -> AsyncIterator[WatchedSpare]:
    spare = WatchedSpare(fork_server)
    yield spare
    await spare.close()


@pytest.fixture
def trainer(settings: Settings, database: Database, queue: Queue, spare: Spare) -> Trainer:
    return Trainer(settings, database, queue, spare)


async def events_of(queue: Queue, run: Run) -> list[object]:
    return [event async for _, event in follow(queue.redis, run.id)]


async def stop(database: Database, run: Run) -> None:
    async with database.writing() as session:
        await runs.request_stop(session, run)


@pytest.mark.engines("sqlite", "postgresql")
async def test_a_run_is_trained_recorded_and_told(
    trainer: Trainer, database: Database, queue: Queue, settings: Settings
) -> None:
    run = await add_run(database, epochs=3)
    await trainer.train_all()
    done = await load(database, run)
    assert (done.status, done.attempt, done.weights) == ("finished", 1, weights_key(run.id))
    assert done.test_accuracy is not None
    assert done.test_accuracy > 0.5
    assert done.libraries is not None
    assert done.dataset_hash is not None
    assert await epochs_of(database, run) == [1, 2, 3]
    files = Files(settings.data_dir / "files")
    assert files.path(weights_key(run.id)).is_file()
    left = sorted(path.name for path in files.path(run_folder(run.id)).iterdir())
    assert left == ["weights.safetensors"], "all else is cleared away"
    assert (await task_of(database, "report", str(run.id))).state == "queued"

    told = await events_of(queue, run)
    assert isinstance(told[0], Started)
    assert [event.epoch for event in told if isinstance(event, EpochMetrics)] == [1, 2, 3]
    assert isinstance(told[-1], Result)

    # The same job delivered once more finds nothing to do.
    await trainer.train_all()
    assert (await load(database, run)).ended_at == done.ended_at


async def test_a_report_that_is_made_when_it_is_opened_waits_for_that(
    settings: Settings, database: Database, queue: Queue, spare: Spare
) -> None:
    run = await add_run(database, epochs=1)
    await Trainer(replace(settings, reports="opened"), database, queue, spare).train_all()
    async with database.reading() as session:
        assert await tasks.find(session, "report", str(run.id)) is None


@pytest.mark.engines("sqlite", "postgresql")
async def test_a_killed_child_is_replaced_and_the_run_goes_on(
    trainer: Trainer, database: Database, queue: Queue, spare: WatchedSpare
) -> None:
    run = await add_run(database, epochs=40)
    work = asyncio.create_task(trainer.train_all())
    await until_epoch(database, run, 3)
    os.kill(spare.used[0], signal.SIGKILL)
    await work
    done = await load(database, run)
    assert (done.status, done.attempt) == ("finished", 2)
    assert await epochs_of(database, run) == list(range(1, 41))
    told = await events_of(queue, run)
    assert Retrying(attempt=2, reason="child_died") in told
    resumed = [event.resumed_epoch for event in told if isinstance(event, Started)]
    assert resumed[0] == 0
    assert resumed[1] >= 3


async def test_a_child_that_is_killed_every_time_fails_the_run(
    settings: Settings, database: Database, queue: Queue, spare: WatchedSpare
) -> None:
    run = await add_run(database, **LONG)
    work = asyncio.create_task(Trainer(replace(settings, attempts=2), database, queue, spare).train_all())
    for attempt in (1, 2):

        async def has_begun(attempt: int = attempt) -> bool:
            return len(spare.used) == attempt

        await until(has_begun)
        os.kill(spare.used[-1], signal.SIGKILL)
    await work
    failed = await load(database, run)
    assert (failed.status, failed.failure_code) == ("failed", "child_died")
    told = await events_of(queue, run)
    assert isinstance(told[-1], Failed)
    assert told[-1].message == failed.failure


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"dataset": "nonsense"}, "dataset_missing"),
        ({"document": "{"}, "invalid_document"),
        ({"document": '{"format": 1, "blocks": [{"id": "l", "type": "Linear"}]}'}, "invalid_document"),
        ({"batch_size": 0}, "invalid_settings"),
    ],
)
async def test_a_training_that_cannot_be_done_fails_with_a_sentence(
    trainer: Trainer, database: Database, queue: Queue, changes: dict[str, Any], code: str
) -> None:
    run = await add_run(database, **changes)
    await trainer.train_all()
    failed = await load(database, run)
    assert (failed.status, failed.failure_code, failed.attempt) == ("failed", code, 1)
    assert failed.failure != INTERNAL
    assert failed.failure
    assert isinstance((await events_of(queue, run))[-1], Failed)


@pytest.mark.parametrize("settings_text", ["{", '{"epochs": "many"}', "[]"])
async def test_settings_that_cannot_be_read_fail_the_run_with_a_sentence(
    trainer: Trainer, database: Database, settings_text: str
) -> None:
    run = await add_run(database)
    async with database.writing() as session:
        (await session.get_one(Run, run.id)).settings_json = settings_text
    await trainer.train_all()
    failed = await load(database, run)
    assert (failed.status, failed.failure_code) == ("failed", "invalid_settings")


async def test_a_run_stops_in_the_middle_of_an_epoch(
    trainer: Trainer, database: Database, queue: Queue, spare: WatchedSpare
) -> None:
    # One image a step: an epoch takes seconds.
    run = await add_run(database, epochs=500, batch_size=1)
    work = asyncio.create_task(trainer.train_all())

    async def is_under_way() -> bool:
        return bool(await queue.redis.xlen(f"run:{run.id}") >= 2)

    await until(is_under_way)
    await stop(database, run)
    async with asyncio.timeout(2):
        await until_ended(database, run)
    await work
    assert (await load(database, run)).status == "stopped"
    assert (await events_of(queue, run))[-1] == Stopped(epochs=len(await epochs_of(database, run)))
    assert not is_alive(spare.used[0])


async def test_a_child_that_does_not_listen_is_stopped_all_the_same(
    trainer: Trainer, database: Database, spare: WatchedSpare
) -> None:
    run = await add_run(database, **LONG)
    work = asyncio.create_task(trainer.train_all())
    await until_epoch(database, run, 1)
    os.kill(spare.used[0], signal.SIGSTOP)
    await stop(database, run)
    await work
    stopped = await load(database, run)
    assert stopped.status == "stopped"
    assert stopped.weights == weights_key(run.id)


@pytest.mark.engines("sqlite", "postgresql")
async def test_a_worker_whose_lease_was_taken_ends_its_child_and_writes_nothing(
    trainer: Trainer, database: Database, spare: WatchedSpare
) -> None:
    run = await add_run(database, **LONG)
    work = asyncio.create_task(trainer.train_all())
    await until_epoch(database, run, 1)
    async with database.writing() as session:
        mine = await session.get_one(Run, run.id)
        mine.lease_token = "somebody else's"
    await work
    assert not is_alive(spare.used[0])
    left = await load(database, run)
    assert (left.status, left.lease_token) == ("running", "somebody else's")


async def test_nothing_is_left_of_a_run_whose_model_is_deleted(
    trainer: Trainer, database: Database, settings: Settings, spare: WatchedSpare
) -> None:
    run = await add_run(database, **LONG)
    work = asyncio.create_task(trainer.train_all())
    await until_epoch(database, run, 1)
    async with database.writing() as session:
        user, model = await session.get_one(User, 1), await session.get_one(Model, 1)
        assert await models.delete_model(session, user, model.id) == [run.id]
    await work
    assert not is_alive(spare.used[0])
    assert not Files(settings.data_dir / "files").path(run_folder(run.id)).exists()


async def test_a_run_is_given_back_when_its_worker_ends(
    trainer: Trainer, database: Database, spare: WatchedSpare
) -> None:
    run = await add_run(database, **LONG)
    work = asyncio.create_task(trainer.train_all())
    await until_epoch(database, run, 1)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not is_alive(spare.used[0])
    waiting = await load(database, run)
    assert (waiting.status, waiting.attempt, waiting.lease_token) == ("queued", 1, None)
    async with database.writing() as session:
        assert await leases.take_lease(session, run.id, 1, seconds=1) is not None


async def test_a_child_that_hears_nothing_from_its_worker_ends_itself(spare: WatchedSpare) -> None:
    child = await spare.take()
    child.send(
        Train(
            run_id=1,
            attempt=1,
            document="{}",
            settings="{}",
            dataset="digits",
            data_dir="/nonexistent",
            folder="/nonexistent",
            device="cpu",
            lease_seconds=0.001,
            checkpoint_seconds=30,
            memory_mb=0,
        )
    )
    assert await child.wait() != 0


async def test_users_take_turns(trainer: Trainer, database: Database) -> None:
    """The second user asks last, and is second."""
    async with database.writing() as session:
        ada, eve = User(name="Ada"), User(name="Eve")
        session.add_all([ada, eve])
    asked = [await add_run(database, epochs=1, user=user) for user in (ada, ada, ada, eve)]
    await trainer.train_all()
    done = [await load(database, run) for run in asked]
    assert {run.status for run in done} == {"finished"}
    order = sorted(done, key=lambda run: run.taken_at or run.created_at)
    assert [asked.index(next(a for a in asked if a.id == run.id)) for run in order] == [0, 3, 1, 2]


FULL = {
    "sqlite": ("CREATE TRIGGER no_room BEFORE INSERT ON epoch_metrics BEGIN SELECT RAISE(ABORT, 'it is full'); END",),
    "postgresql": (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE 'it is full' USING ERRCODE = 'disk_full'; END $$",
        "CREATE TRIGGER no_room BEFORE INSERT ON epoch_metrics EXECUTE FUNCTION refuse()",
    ),
}


@pytest.mark.engines("sqlite", "postgresql")
async def test_what_the_database_cannot_take_now_is_written_when_it_can(
    trainer: Trainer, database: Database, queue: Queue
) -> None:
    """As on a full disk: every statement fails until somebody makes room."""
    run = await add_run(database, epochs=4)
    async with database.writing() as session:
        for statement in FULL[database.engine.name]:
            await session.execute(text(statement))
    work = asyncio.create_task(trainer.train_all())

    async def is_renewed() -> bool:
        return (await load(database, run)).trained_seconds > 3

    await until(is_renewed)
    assert await epochs_of(database, run) == []
    async with database.writing() as session:
        on_table = " ON epoch_metrics" if database.engine.name == "postgresql" else ""
        await session.execute(text(f"DROP TRIGGER no_room{on_table}"))
    await work
    done = await load(database, run)
    assert (done.status, done.attempt) == ("finished", 1)
    assert await epochs_of(database, run) == [1, 2, 3, 4]
