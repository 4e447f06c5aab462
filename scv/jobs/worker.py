"""The workers: one for training, one for interactive work. With `queue` the only place that knows arq.

They never share a queue: arq keeps its mark on a job for as long as the longest job of a worker may last.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Any, Literal

from arq.worker import Worker, func

from scv.db.engine import Database
from scv.db.tables import now
from scv.jobs.obsolete_files import replace_obsolete_files
from scv.jobs.predictor_supervisor import keep_predictor
from scv.jobs.presence import WorkerState, announce_for_ever, look
from scv.jobs.queue import (
    INTERACTIVE_QUEUE,
    TRAIN_QUEUE,
    TRAIN_TIMEOUT,
    Queue,
    open_redis,
    read_job,
    write_job,
)
from scv.jobs.reaper import reap_for_ever
from scv.jobs.task_runner import TaskRunner
from scv.jobs.train_processes import Spare
from scv.jobs.train_task import Trainer
from scv.settings import Settings

QueueName = Literal["train", "interactive"]

TASKS_TIMEOUT = 10

_PATIENCE = 5
"""How often a worker tries a broker that is away: together about ten seconds, so a restart goes unnoticed."""

_INSIST_SECONDS = 1.0
"""After so long a task is cancelled once more: a cancellation that meets a reply of the broker can be lost."""

log = logging.getLogger(__name__)


def run(settings: Settings, queue: QueueName, devices: Sequence[str] = ()) -> None:
    """Work until SIGINT or SIGTERM. A run that is being trained then is given back and goes on later.

    A training worker trains one run on each of the devices, at the same time; by default one on the setting's.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(_work(settings, queue, devices or (settings.device,)))


async def _work(settings: Settings, name: QueueName, devices: Sequence[str]) -> None:
    since = now()
    async with AsyncExitStack() as stack:
        database = Database(settings.database_url)
        stack.push_async_callback(database.close)
        queue = Queue.open(settings)
        stack.push_async_callback(queue.close)
        reaper = asyncio.create_task(reap_for_ever(settings, database, queue))
        stack.push_async_callback(end_task, reaper)
        trainers: list[Trainer] = []
        processes: set[int] = set()
        if name == "train":
            for device in devices:
                spare = Spare()
                stack.push_async_callback(spare.close)
                await spare.warm()
                trainers.append(Trainer(replace(settings, device=device), database, queue, spare))
            worker = _training_worker(settings, trainers)
        else:
            await replace_obsolete_files(settings.data_dir, database)
            runner = TaskRunner(settings, database, processes)
            stack.push_async_callback(runner.close)
            looking = asyncio.create_task(runner.look_for_ever())
            stack.push_async_callback(end_task, looking)
            predicting = asyncio.create_task(keep_predictor(settings, processes))
            stack.push_async_callback(end_task, predicting)
            worker = _interactive_worker(settings, runner)

        def state() -> WorkerState:
            seats = [trainer.seat for trainer in trainers]
            children = (pid for trainer in trainers for pid in trainer.processes)
            return look(name, since, seats, (*children, *processes))

        # As long as its lease: where the one has run out, so has the other.
        announcing = asyncio.create_task(announce_for_ever(queue.redis, state, settings.lease_seconds))
        stack.push_async_callback(end_task, announcing)
        # Also waits for a training that goes on although the broker, and with it arq's loop, is gone.
        stack.push_async_callback(worker.close)
        await run_until_told(worker, reaper)


async def run_until_told(worker: Worker, reaper: asyncio.Task[None]) -> None:
    """Let arq's loop run until it ends, a signal ends it, or the reaper has ended; an error in it is raised."""
    told = asyncio.Event()
    worker.on_stop = lambda _: told.set()
    running = asyncio.create_task(worker.async_run())
    reaper.add_done_callback(lambda _: told.set())
    while not running.done():
        await asyncio.wait([running], timeout=_INSIST_SECONDS)
        if told.is_set() and worker.main_task is not None:
            worker.allow_pick_jobs = False  # which arq itself leaves as it was
            worker.main_task.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def end_task(task: asyncio.Task[None]) -> None:
    """Cancel the task until it has ended."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_INSIST_SECONDS)
    if not task.cancelled():
        task.exception()  # the process ends: that it failed as well changes nothing


def _training_worker(settings: Settings, trainers: list[Trainer]) -> Worker:
    idle = list(trainers)

    async def train(ctx: dict[Any, Any], run_id: int, attempt: int) -> None:
        # The job is a call that something waits; the database knows whose turn it is.
        trainer = idle.pop()  # there is one: arq starts no more jobs than there are trainers
        try:
            await trainer.train_all()
        finally:
            idle.append(trainer)

    return Worker(
        [func(train, name="train", timeout=TRAIN_TIMEOUT)],
        queue_name=TRAIN_QUEUE,
        max_jobs=len(trainers),
        job_timeout=TRAIN_TIMEOUT,
        **_common(settings),
    )


def _interactive_worker(settings: Settings, runner: TaskRunner) -> Worker:
    async def tasks(ctx: dict[Any, Any]) -> None:
        # The job is a call that something waits; the database knows what.
        runner.wake()

    return Worker([func(tasks, name="tasks", timeout=TASKS_TIMEOUT)], queue_name=INTERACTIVE_QUEUE, **_common(settings))


def _common(settings: Settings) -> dict[str, Any]:
    return {
        "redis_pool": open_redis(settings, retries=_PATIENCE),
        "job_serializer": write_job,
        "job_deserializer": read_job,
        "poll_delay": 0.1,
        "keep_result": 0,
        "max_tries": 1,
        "retry_jobs": False,
        "health_check_interval": 10,
    }
