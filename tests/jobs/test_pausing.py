"""Pausing and going on: a paused run holds no worker, and ends as if it had never been paused."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest

from scv.db import leases, runs
from scv.db.engine import Database
from scv.db.tables import Run
from scv.files import Files, run_folder, weights_key
from scv.jobs import train_task as trainer_module
from scv.jobs.events import Queued, RunEvent, follow
from scv.jobs.queue import Queue
from scv.jobs.train_task import Trainer
from scv.settings import Settings
from scv.training.progress import EpochMetrics, Paused, Started
from tests.jobs.conftest import LONG, add_run, is_alive, load, until, until_epoch
from tests.jobs.test_train_task import WatchedSpare

pytestmark = pytest.mark.engines("sqlite")


@pytest.fixture
async def spare(fork_server: str) -> AsyncIterator[WatchedSpare]:
    spare = WatchedSpare(fork_server)
    yield spare
    await spare.close()


@pytest.fixture
def trainer(settings: Settings, database: Database, queue: Queue, spare: WatchedSpare) -> Trainer:
    return Trainer(settings, database, queue, spare)


async def pause(database: Database, run: Run) -> bool:
    async with database.writing() as session:
        return await runs.request_pause(session, run)


async def resume(database: Database, run: Run) -> int | None:
    async with database.writing() as session:
        return await runs.resume_run(session, await session.get_one(Run, run.id))


async def events_of(queue: Queue, run: Run) -> list[RunEvent]:
    """All that has been told so far, also where the run has not ended."""
    async with aclosing(follow(queue.redis, run.id, quiet_seconds=0.05)) as entries:
        told: list[RunEvent] = []
        async for _, event in entries:
            if event is None:
                break
            told.append(event)
    return told


@pytest.mark.engines("sqlite", "postgresql")
async def test_a_paused_run_holds_no_worker_and_ends_as_if_never_paused(
    trainer: Trainer, database: Database, queue: Queue, settings: Settings, spare: WatchedSpare
) -> None:
    alone, paused = await add_run(database, epochs=60), await add_run(database, epochs=60)
    work = asyncio.create_task(trainer.train_all())
    await until_epoch(database, paused, 2)
    assert not await pause(database, paused)
    async with asyncio.timeout(60):
        await work  # there is nothing else to do for this worker
    waiting = await load(database, paused)
    assert (waiting.status, waiting.held, waiting.active, waiting.attempt) == ("queued", True, False, 1)
    assert waiting.lease_token is None
    assert not any(is_alive(pid) for pid in spare.used)
    told = await events_of(queue, paused)
    assert isinstance(told[-1], Paused)
    assert told[-1].epochs == len([event for event in told if isinstance(event, EpochMetrics)])

    await trainer.train_all()
    assert (await load(database, paused)).held, "nobody takes a paused run"

    assert await resume(database, paused) == 1
    await trainer.train_all()
    files = Files(settings.data_dir / "files")
    one, other = await load(database, alone), await load(database, paused)
    assert (other.status, other.attempt) == ("finished", 1)
    assert (one.test_loss, one.test_accuracy, one.best_epoch) == (
        other.test_loss,
        other.test_accuracy,
        other.best_epoch,
    )
    contents = [await asyncio.to_thread(files.path(weights_key(run.id)).read_bytes) for run in (alone, paused)]
    assert contents[0] == contents[1]
    started = [event for event in await events_of(queue, paused) if isinstance(event, Started)]
    assert started[-1].resumed_epoch >= 2


async def test_a_run_that_waits_is_paused_at_once_and_takes_its_turn_again(
    trainer: Trainer, database: Database
) -> None:
    run = await add_run(database, epochs=1)
    assert await pause(database, run)
    await trainer.train_all()
    assert (await load(database, run)).held
    assert await resume(database, run) == 1
    assert await resume(database, run) is None
    await trainer.train_all()
    assert (await load(database, run)).status == "finished"


async def test_who_has_it_go_on_before_the_worker_has_let_go_waits_for_nothing(
    trainer: Trainer, database: Database, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await add_run(database, epochs=60)
    work = asyncio.create_task(trainer.train_all())
    await until_epoch(database, run, 2)
    release = leases.release

    async def slow_release(*args: object) -> bool:
        assert await resume(database, run) is None
        return await release(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer_module.leases, "release", slow_release)
    await pause(database, run)
    await work
    assert Queued(attempt=1) in await events_of(queue, run)
    done = await load(database, run)
    assert (done.status, done.attempt) == ("finished", 1)


async def test_a_paused_run_can_be_stopped_and_keeps_its_weights(
    trainer: Trainer, database: Database, settings: Settings
) -> None:
    run = await add_run(database, **LONG)
    work = asyncio.create_task(trainer.train_all())
    await until_epoch(database, run, 1)
    await pause(database, run)
    await work
    files = Files(settings.data_dir / "files")
    folder = files.path(run_folder(run.id))
    assert "checkpoint.safetensors" in {path.name for path in folder.iterdir()}
    async with database.writing() as session:
        assert await runs.request_stop(session, run, files.existing(weights_key(run.id)))
    stopped = await load(database, run)
    assert (stopped.status, stopped.weights, stopped.held) == ("stopped", weights_key(run.id), False)


async def test_a_child_that_does_not_listen_is_paused_from_its_last_checkpoint(
    trainer: Trainer, database: Database, spare: WatchedSpare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer_module, "PAUSE_SECONDS", 0.2)
    run = await add_run(database, **LONG)
    work = asyncio.create_task(trainer.train_all())
    await until_epoch(database, run, 1)
    os.kill(spare.used[0], signal.SIGSTOP)
    await pause(database, run)
    await work
    waiting = await load(database, run)
    assert (waiting.held, waiting.attempt) == (True, 1)


async def test_a_child_that_says_nothing_for_too_long_is_replaced(
    settings: Settings, database: Database, queue: Queue, spare: WatchedSpare
) -> None:
    """The limit holds from before the training begins."""
    short = replace(settings, silence_seconds=10)
    spare.keeps_warm = True
    await spare.warm()
    assert spare.pid is not None
    os.kill(spare.pid, signal.SIGSTOP)
    run = await add_run(database, **LONG)
    work = asyncio.create_task(Trainer(short, database, queue, spare).train_all())

    async def is_replaced() -> bool:
        return len(spare.used) > 1 and (await load(database, run)).attempt > 1

    await until(is_replaced)
    assert not is_alive(spare.used[0])
    async with database.writing() as session:
        await runs.request_stop(session, run)
    await work
    assert (await load(database, run)).status == "stopped"
