"""Real `scv worker` processes, and what becomes of a run when they are killed."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from arq.worker import Worker, func

from scv.data.resident import is_prepared
from scv.db import leases, runs, tasks
from scv.db.engine import Database
from scv.jobs.broker import Broker
from scv.jobs.queue import TRAIN_QUEUE, Queue, open_redis
from scv.jobs.worker import deliver_for_ever, end_task
from scv.settings import Settings
from tests.jobs.conftest import (
    LONG,
    StartWorker,
    WorkerProcess,
    add_run,
    epochs_of,
    is_alive,
    load,
    request_preparation,
    until,
    until_ended,
    until_epoch,
    until_task_ended,
)

pytestmark = pytest.mark.engines("sqlite")


async def gone(pid: int) -> None:
    async def is_gone() -> bool:
        return not is_alive(pid)

    await until(is_gone)


@pytest.mark.engines("sqlite", "postgresql")
async def test_a_run_goes_on_when_its_worker_is_killed(
    start_worker: StartWorker, database: Database, queue: Queue
) -> None:
    """And the killed one leaves no training process; the one that takes over does not need arq to tell it."""
    run = await add_run(database, epochs=100)
    await queue.enqueue_training(run.id, 1)
    first = await start_worker(lease_seconds=2)
    await until_epoch(database, run, 2)
    (child,) = first.children()
    await first.kill()
    await gone(child)
    await start_worker(lease_seconds=2)
    done = await until_ended(database, run)
    assert (done.status, done.attempt) == ("finished", 2)
    assert await epochs_of(database, run) == list(range(1, 101))


@pytest.mark.engines("sqlite", "postgresql")
async def test_two_workers_train_two_runs_and_never_the_same(
    start_worker: StartWorker, database: Database, queue: Queue
) -> None:
    workers = [await start_worker(), await start_worker()]
    waiting = [await add_run(database, epochs=20) for _ in range(4)]
    for run in waiting:
        await queue.enqueue_training(run.id, 1)
        # As after a broker that lost its data and a reaper that was too eager: a second delivery.
        await queue.redis.enqueue_job("train", run.id, 1, _job_id=f"again:{run.id}", _queue_name="scv:train")
    for run in waiting:
        done = await until_ended(database, run)
        assert (done.status, done.attempt) == ("finished", 1)
    assert sum(len(worker.children()) for worker in workers) == len(waiting)


async def test_a_worker_trains_on_each_of_its_devices_at_a_time(
    start_worker: StartWorker, database: Database, queue: Queue
) -> None:
    both = [await add_run(database, **LONG) for _ in range(2)]
    for run in both:
        await queue.enqueue_training(run.id, 1)
    third = await add_run(database, epochs=1)
    await queue.enqueue_training(third.id, 1)
    worker = await start_worker("--devices", "cpu,cpu")
    for run in both:
        await until_epoch(database, run, 1)
    assert len(set(worker.children())) == 2
    assert all(map(is_alive, worker.children()))
    assert (await load(database, third)).status == "queued"
    async with database.writing() as session:
        await runs.request_stop(session, both[0])
    assert (await until_ended(database, third)).status == "finished"
    assert (await load(database, both[1])).status == "running"


async def test_a_worker_that_is_told_to_end_gives_its_run_back(
    start_worker: StartWorker, database: Database, queue: Queue
) -> None:
    run = await add_run(database, **LONG)
    await queue.enqueue_training(run.id, 1)
    worker = await start_worker()
    await until_epoch(database, run, 1)
    assert await worker.end() == 0
    assert not any(is_alive(child) for child in worker.children())
    waiting = await load(database, run)
    assert (waiting.status, waiting.attempt) == ("queued", 1)

    # The next one finds it by itself, and goes on where the first one was.
    reached = max(await epochs_of(database, run))
    await start_worker()
    await until_epoch(database, run, reached + 1)
    assert (await load(database, run)).attempt == 1


async def test_a_training_survives_a_broker_that_is_away_and_can_be_stopped_meanwhile(
    start_worker: StartWorker, database: Database, queue: Queue, broker: Broker
) -> None:
    run = await add_run(database, **LONG)
    await queue.enqueue_training(run.id, 1)
    worker = await start_worker()
    await until_epoch(database, run, 1)
    await broker.stop()
    await until_epoch(database, run, max(await epochs_of(database, run)) + 2)
    async with database.writing() as session:
        await runs.request_stop(session, run)
    assert (await until_ended(database, run)).status == "stopped"
    assert len(worker.children()) == 1

    # Without a broker it trains what waits all the same, and jobs are delivered again once there is one.
    second = await add_run(database, epochs=1)
    assert (await until_ended(database, second)).status == "finished"
    await broker.start()

    async def is_delivered() -> bool:
        return await queue.redis.zcard(TRAIN_QUEUE) == 0

    await queue.enqueue_training(second.id, 1)
    await until(is_delivered)
    assert worker.process.returncode is None


async def test_an_interactive_worker_prepares_datasets_and_reaps_too(
    start_worker: StartWorker, database: Database, queue: Queue, data_dir: Path
) -> None:
    run = await add_run(database)
    async with database.writing() as session:
        assert await leases.take_lease(session, run.id, 1, seconds=-1) is not None  # by a worker that is lost
    await request_preparation(database, "digits")
    await start_worker(queue="interactive")

    async def is_queued_again() -> bool:
        return (await load(database, run)).attempt == 2

    assert (await until_task_ended(database, "prepare", "digits")).state == "done"
    assert is_prepared(data_dir, "digits")
    await until(is_queued_again)


@pytest.mark.engines("sqlite", "postgresql")
async def test_a_preparation_whose_worker_was_killed_begins_again(
    start_worker: StartWorker, database: Database, data_dir: Path
) -> None:
    await request_preparation(database, "digits")
    async with database.writing() as session:
        assert await tasks.take(session, ["prepare"], 1) is not None  # by a worker that is never heard of again
    await start_worker(queue="interactive")
    task = await until_task_ended(database, "prepare", "digits")
    assert (task.state, task.attempt) == ("done", 2)
    assert is_prepared(data_dir, "digits")


async def test_what_is_wanted_while_the_broker_is_away_is_done(
    start_worker: StartWorker, database: Database, broker: Broker
) -> None:
    await start_worker(queue="interactive")
    await broker.stop()
    await request_preparation(database, "digits")
    await broker.start()
    assert (await until_task_ended(database, "prepare", "digits")).state == "done"


async def test_a_worker_sweeps_away_where_progress_was_kept_before(start_worker: StartWorker, data_dir: Path) -> None:
    (data_dir / "datasets" / "svhn").mkdir(parents=True)
    report = data_dir / "files" / "runs" / "1" / "report"
    report.mkdir(parents=True)
    kept = [data_dir / "datasets" / "svhn" / "meta.json", report / "report.json"]
    old = [data_dir / "datasets" / name for name in ("svhn.progress.json", "svhn.failed.json", "own-1-1.stop")]
    old += [report / name for name in ("underway.json", "failure.json", "stopped")]
    for path in kept + old:
        path.write_text("{}")
    await start_worker(queue="interactive")

    async def are_gone() -> bool:
        return not any(path.exists() for path in old)

    await until(are_gone)
    assert all(path.exists() for path in kept)


async def test_no_worker_loads_torch_itself(start_worker: StartWorker, database: Database, queue: Queue) -> None:
    worker = await start_worker()
    run = await add_run(database, epochs=1)
    await queue.enqueue_training(run.id, 1)
    await until_ended(database, run)

    def maps_torch(worker: WorkerProcess) -> bool:
        return "libtorch" in Path(f"/proc/{worker.process.pid}/maps").read_text()

    assert not await asyncio.to_thread(maps_torch, worker)


async def test_a_task_that_loses_a_cancellation_is_told_again() -> None:
    told = 0

    async def deaf_once() -> None:
        nonlocal told
        while told < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told += 1

    task = asyncio.create_task(deaf_once())
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await end_task(task)
    assert (told, task.done()) == (2, True)


async def test_delivery_ends_although_arq_loses_a_cancellation(settings: Settings, queue: Queue) -> None:
    cancelled = 0
    started = asyncio.Event()

    async def deaf_once(ctx: dict[Any, Any]) -> None:
        nonlocal cancelled
        while cancelled < 2:
            started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled += 1

    async def nothing(ctx: dict[Any, Any]) -> None: ...

    def make_worker() -> Worker:
        redis = open_redis(settings, retries=1)
        functions = [func(nothing, name="nothing")]
        return Worker(functions, redis_pool=redis, on_startup=deaf_once, handle_signals=False)

    delivering = asyncio.create_task(deliver_for_ever(queue.redis, make_worker))
    await started.wait()
    async with asyncio.timeout(60):
        await end_task(delivering)
    assert cancelled >= 2


async def test_a_run_waits_for_no_job(start_worker: StartWorker, database: Database, queue: Queue) -> None:
    """Nobody enqueues it, and a job of its id was picked by a worker that was killed."""
    worker = await start_worker()
    run = await add_run(database, epochs=1)
    assert (await until_ended(database, run)).status == "finished"
    await worker.kill()
    again = await add_run(database, epochs=1)
    await queue.redis.flushall()
    await start_worker()
    assert (await until_ended(database, again)).status == "finished"
