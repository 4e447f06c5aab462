"""Real workers announce themselves, and are no longer told of when they are gone."""

import os
import subprocess
import sys

import pytest

from scv.db import runs
from scv.db.engine import Database
from scv.jobs.broker import Broker
from scv.jobs.events import BrokerAwayError
from scv.jobs.presence import KEYS, Seat, WorkerState, resident_bytes
from scv.jobs.queue import Queue
from tests.jobs.conftest import LONG, StartWorker, add_run, until, until_ended, until_epoch

pytestmark = pytest.mark.engines("sqlite")


async def one_worker(queue: Queue) -> WorkerState:
    async def is_there() -> bool:
        return len(await queue.list_workers()) == 1

    await until(is_there)
    (worker,) = await queue.list_workers()
    return worker


async def until_none(queue: Queue) -> None:
    async def none() -> bool:
        return not await queue.list_workers()

    await until(none)


async def test_a_worker_announces_itself_and_what_it_trains_until_it_is_killed(
    start_worker: StartWorker, database: Database, queue: Queue
) -> None:
    assert await queue.list_workers() == []
    process = await start_worker("--devices", "cpu,cpu", lease_seconds=2)
    worker = await one_worker(queue)
    assert (worker.queue, worker.pid) == ("train", process.process.pid)
    assert worker.seats == (Seat(device="cpu", run_id=None),) * 2
    assert worker.cores >= 1
    assert worker.load >= 0

    run = await add_run(database, **LONG)
    await queue.enqueue_training(run.id, 1)

    async def says_so() -> bool:
        return run.id in [seat.run_id for seat in (await one_worker(queue)).seats]

    await until(says_so)
    await until_epoch(database, run, 1)
    # Its own, the training's, and those that wait; torch alone is more than a worker.
    (child,) = process.children()
    alone, training = resident_bytes([process.process.pid]), resident_bytes([child])
    assert alone
    assert training

    async def counts_children() -> bool:
        return ((await one_worker(queue)).memory or 0) > 0.9 * (alone + training)

    await until(counts_children)
    await process.kill()
    await until_none(queue)


async def test_a_seat_is_free_again_when_its_run_has_ended(
    start_worker: StartWorker, database: Database, queue: Queue
) -> None:
    run = await add_run(database, **LONG)
    await queue.enqueue_training(run.id, 1)
    await start_worker(lease_seconds=2)
    await until_epoch(database, run, 1)
    async with database.writing() as session:
        await runs.request_stop(session, run)
    await until_ended(database, run)

    async def is_free() -> bool:
        return (await one_worker(queue)).seats == (Seat(device="cpu", run_id=None),)

    await until(is_free)


async def test_a_worker_that_ends_takes_its_leave(start_worker: StartWorker, queue: Queue) -> None:
    """At once: its announcement would be good for an hour."""
    worker = await start_worker(lease_seconds=3600)
    await one_worker(queue)
    await worker.end()
    assert await queue.list_workers() == []


async def test_a_worker_that_trains_is_there_again_when_the_broker_is(
    start_worker: StartWorker, database: Database, queue: Queue, broker: Broker
) -> None:
    run = await add_run(database, **LONG)
    await queue.enqueue_training(run.id, 1)
    await start_worker(lease_seconds=2)
    await until_epoch(database, run, 1)
    before = await one_worker(queue)
    await queue.redis.flushall()
    await broker.stop()
    with pytest.raises(BrokerAwayError):
        await queue.list_workers()
    await broker.start()
    again = await one_worker(queue)
    assert (again.pid, again.since) == (before.pid, before.since)
    assert again.seats == (Seat(device="cpu", run_id=run.id),)


async def test_a_worker_that_prepares_datasets_has_no_seats_and_comes_last(
    start_worker: StartWorker, queue: Queue
) -> None:
    await start_worker(queue="interactive")
    await one_worker(queue)
    await start_worker()

    async def both() -> bool:
        return [worker.queue for worker in await queue.list_workers()] == ["train", "interactive"]

    await until(both)
    assert [len(worker.seats) for worker in await queue.list_workers()] == [1, 0]


async def test_what_another_version_announces_is_passed_over(queue: Queue) -> None:
    await queue.redis.set(KEYS + "of-the-future", b'{"queue": "dreams"}')
    assert await queue.list_workers() == []


def test_the_memory_of_a_process_that_is_gone_does_not_count() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert resident_bytes([gone.pid]) is None
    own = resident_bytes([os.getpid(), gone.pid])
    assert own
    assert own > 1_000_000
