import asyncio
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from scv.db import leases, runs
from scv.db.engine import Database
from scv.db.tables import Run
from scv.files import Files, run_folder, unfinished_keys, weights_key
from scv.jobs import reaper
from scv.jobs.broker import Broker
from scv.jobs.events import Retrying, follow
from scv.jobs.queue import TRAIN_QUEUE, Queue, training_job
from scv.jobs.reaper import WORKER_LOST, reap, reap_for_ever
from scv.settings import Settings
from scv.training.progress import Paused, Stopped
from tests.jobs.conftest import add_run, load, until


async def waiting(redis: Redis) -> list[str]:
    return [job.decode() for job in await redis.zrange(TRAIN_QUEUE, 0, -1)]


async def lose_worker(database: Database, run: Run) -> None:
    """A worker takes the run and is never heard of again."""
    async with database.writing() as session:
        assert await leases.take_lease(session, run.id, run.attempt, seconds=-1) is not None


async def test_a_lost_run_is_tried_again_as_the_next_attempt(
    settings: Settings, database: Database, queue: Queue
) -> None:
    run = await add_run(database)
    await queue.enqueue_training(run.id, 1)
    await lose_worker(database, run)
    await reap(settings, database, queue)
    again = await load(database, run)
    assert (again.status, again.attempt) == ("queued", 2)
    assert training_job(run.id, 2) in await waiting(queue.redis)
    _, event = await anext(follow(queue.redis, run.id))
    assert event == Retrying(attempt=2, reason="worker_lost")


async def test_a_run_that_is_lost_every_time_fails(settings: Settings, database: Database, queue: Queue) -> None:
    run = await add_run(database)
    await lose_worker(database, run)
    await reap(replace(settings, attempts=1), database, queue)
    failed = await load(database, run)
    assert (failed.status, failed.failure_code) == ("failed", "worker_lost")
    assert [event async for _, event in follow(queue.redis, run.id)] == [WORKER_LOST]
    assert await waiting(queue.redis) == []


async def test_a_run_that_the_reaper_ends_keeps_its_weights_and_nothing_else(
    settings: Settings, database: Database, queue: Queue
) -> None:
    run = await add_run(database)
    await lose_worker(database, run)
    files = Files(settings.data_dir / "files")
    files.folder(run_folder(run.id))
    for key in (weights_key(run.id), *unfinished_keys(run.id)):
        files.path(key).write_bytes(b"x")
    await reap(replace(settings, attempts=1), database, queue)
    assert (await load(database, run)).weights == weights_key(run.id)
    assert [path.name for path in files.path(run_folder(run.id)).iterdir()] == ["weights.safetensors"]


async def test_a_lost_run_that_is_to_pause_is_paused(settings: Settings, database: Database, queue: Queue) -> None:
    run = await add_run(database)
    await lose_worker(database, run)
    async with database.writing() as session:
        await runs.request_pause(session, run)
    await reap(settings, database, queue)
    assert (await load(database, run)).held
    assert await waiting(queue.redis) == []
    _, event = await anext(follow(queue.redis, run.id))
    assert event == Paused(epochs=0)


async def test_a_lost_run_that_was_to_stop_is_stopped(settings: Settings, database: Database, queue: Queue) -> None:
    run = await add_run(database)
    await lose_worker(database, run)
    async with database.writing() as session:
        await runs.request_stop(session, run)
    await reap(settings, database, queue)
    assert (await load(database, run)).status == "stopped"
    assert [event async for _, event in follow(queue.redis, run.id)] == [Stopped(epochs=0)]


async def test_a_lost_run_that_was_to_stop_keeps_its_weights(
    settings: Settings, database: Database, queue: Queue
) -> None:
    run = await add_run(database)
    await lose_worker(database, run)
    async with database.writing() as session:
        await runs.request_stop(session, run)
    files = Files(settings.data_dir / "files")
    files.folder(run_folder(run.id))
    files.path(weights_key(run.id)).write_bytes(b"weights")
    await reap(settings, database, queue)
    assert (await load(database, run)).weights == weights_key(run.id)


async def test_no_error_ends_the_reaper(
    settings: Settings, database: Database, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[None] = []

    async def look(*_: object) -> None:
        looks.append(None)
        raise ValueError("never thought of")

    monkeypatch.setattr(reaper, "reap", look)
    going_on = asyncio.create_task(reap_for_ever(replace(settings, lease_seconds=0.01), database, queue))

    async def looked_twice() -> bool:
        return len(looks) > 1

    await until(looked_twice)
    assert not going_on.done()
    going_on.cancel()


async def test_a_run_that_a_worker_has_is_left_alone(settings: Settings, database: Database, queue: Queue) -> None:
    run = await add_run(database)
    async with database.writing() as session:
        leased = await leases.take_lease(session, run.id, 1, seconds=60)
    assert leased is not None
    await reap(settings, database, queue)
    left = await load(database, run)
    assert (left.status, left.lease_token, left.attempt) == ("running", leased.lease_token, 1)
    assert await waiting(queue.redis) == []


async def test_a_run_is_taken_from_a_lost_worker_while_the_broker_is_away(
    settings: Settings, database: Database, queue: Queue, broker: Broker
) -> None:
    """All that are lost, not one a look."""
    lost = [await add_run(database) for _ in range(2)]
    for run in lost:
        await lose_worker(database, run)
    await broker.stop()
    await reap(settings, database, queue)
    assert [(await load(database, run)).attempt for run in lost] == [2, 2]
