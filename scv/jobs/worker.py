"""The workers: one for training, one for interactive work. With `queue` the only place that knows arq."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Any, Literal, NoReturn

import structlog
from arq.worker import Worker, func
from redis.asyncio import Redis
from redis.exceptions import RedisError

from scv.db.base import now
from scv.db.engine import Database
from scv.jobs.fork_server_supervisor import FORKS, keep_fork_server, listening_socket
from scv.jobs.obsolete_files import replace_obsolete_files
from scv.jobs.predictor_supervisor import keep_predictor
from scv.jobs.presence import WorkerState, announce_for_ever, look
from scv.jobs.queue import INTERACTIVE_QUEUE, TRAIN_QUEUE, Queue, open_redis, read_job, write_job
from scv.jobs.reaper import reap_for_ever
from scv.jobs.task_runner import TaskRunner
from scv.jobs.train_processes import Spare
from scv.jobs.train_runner import TrainRunner
from scv.jobs.train_task import Trainer
from scv.log import configure_log
from scv.settings import Settings

QueueName = Literal["train", "interactive"]

JOB_SECONDS = 10
"""How long a job may take; it only wakes what does the work, and has ended at once."""

_PATIENCE = 5
"""How often a worker tries a broker that is away: together about ten seconds, so a restart goes unnoticed."""

_AWAY_SECONDS = 1.0
"""How long it waits before it asks again whether the broker is there."""

_INSIST_SECONDS = 1.0
"""After so long a task is cancelled once more: a cancellation that meets a reply of the broker can be lost."""

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


def run(settings: Settings, queue: QueueName, devices: Sequence[str] = ()) -> None:
    """Work until SIGINT or SIGTERM. A run that is being trained then is given back and goes on later.

    A training worker trains one run on each of the devices, at the same time; by default one on the setting's.
    """
    configure_log(settings.log_format, f"{queue} worker")
    asyncio.run(_work(settings, queue, devices or (settings.device,)))


async def _work(settings: Settings, name: QueueName, devices: Sequence[str]) -> None:
    since = now()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as stack:
        settings = await _with_fork_server(settings, stack)
        database = Database(settings.database_url)
        stack.push_async_callback(database.close)
        queue = Queue.open(settings)
        stack.push_async_callback(queue.close)
        reaper = asyncio.create_task(reap_for_ever(settings, database, queue))
        stack.push_async_callback(end_task, reaper)
        reaper.add_done_callback(lambda _: stopped.set())  # a worker that reaps no more is started again
        trainers: list[Trainer] = []
        processes: set[int] = set()
        runner: TrainRunner | TaskRunner
        if name == "train":
            trainers = [await _trainer(replace(settings, device=one), database, queue, stack) for one in devices]
            runner = TrainRunner(settings, database, trainers)
            make_worker = _training_worker(settings, runner)
        else:
            await replace_obsolete_files(settings.data_dir, database)
            runner = TaskRunner(settings, database, processes)
            predicting = asyncio.create_task(keep_predictor(settings, processes))
            stack.push_async_callback(end_task, predicting)
            make_worker = _interactive_worker(settings, runner)
        stack.push_async_callback(runner.close)

        def state() -> WorkerState:
            seats = [trainer.seat for trainer in trainers]
            children = (pid for trainer in trainers for pid in trainer.processes)
            return look(name, since, seats, (*children, *processes))

        # As long as its lease: where the one has run out, so has the other.
        announcing = announce_for_ever(queue.redis, state, settings.lease_seconds)
        for work in (announcing, runner.look_for_ever(), deliver_for_ever(queue.redis, make_worker)):
            stack.push_async_callback(end_task, asyncio.create_task(work))
        await stopped.wait()


async def _with_fork_server(settings: Settings, stack: AsyncExitStack) -> Settings:
    """The settings with a fork server: one that the stack ends, unless this worker was given one."""
    if settings.fork_server or not FORKS:
        return settings
    listening = stack.enter_context(listening_socket())
    stack.push_async_callback(end_task, asyncio.create_task(keep_fork_server(listening)))
    return replace(settings, fork_server=listening.getsockname())


async def _trainer(settings: Settings, database: Database, queue: Queue, stack: AsyncExitStack) -> Trainer:
    """What trains on the settings' device, with a warm process; the stack ends that process."""
    spare = Spare(settings.fork_server)
    stack.push_async_callback(spare.close)
    stack.push_async_callback(end_task, asyncio.create_task(spare.warm()))
    return Trainer(settings, database, queue, spare)


async def deliver_for_ever(redis: Redis, make_worker: Callable[[], Worker]) -> NoReturn:
    """Have arq deliver jobs until cancelled. `redis` is asked whether the broker is there.

    While it is away none are delivered; work goes on, and what waits is found in the database.
    """
    while True:
        await _until_broker_answers(redis)
        try:
            await _deliver(make_worker())
        except RedisError as error:
            log.warning("jobs are not delivered any more", why=str(error))
        except Exception:
            log.exception("jobs are not delivered any more")
        await asyncio.sleep(_AWAY_SECONDS)


async def _deliver(worker: Worker) -> None:
    pool = worker.pool
    try:
        await worker.async_run()
    finally:
        try:
            with suppress(RedisError, asyncio.CancelledError):
                await worker.close()
        finally:
            await pool.aclose(close_connection_pool=True)  # which arq does not where the broker is away


async def _until_broker_answers(redis: Redis) -> None:
    away = False
    while True:
        try:
            await redis.ping()
        except RedisError as error:
            if not away:
                log.warning("the broker is away and is tried again", why=str(error))
            away = True
            await asyncio.sleep(_AWAY_SECONDS)
        else:
            if away:
                log.warning("the broker is back")
            return


async def end_task(task: asyncio.Task[Any]) -> None:
    """Cancel the task until it has ended."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_INSIST_SECONDS)
    if not task.cancelled():
        task.exception()  # the process ends: that it failed as well changes nothing


def _training_worker(settings: Settings, runner: TrainRunner) -> Callable[[], Worker]:
    async def train(ctx: dict[Any, Any], run_id: int, attempt: int) -> None:
        runner.wake()  # for whichever run's turn it is

    return lambda: Worker([func(train, name="train")], queue_name=TRAIN_QUEUE, **_common(settings))


def _interactive_worker(settings: Settings, runner: TaskRunner) -> Callable[[], Worker]:
    async def tasks(ctx: dict[Any, Any]) -> None:
        runner.wake()

    return lambda: Worker([func(tasks, name="tasks")], queue_name=INTERACTIVE_QUEUE, **_common(settings))


def _common(settings: Settings) -> dict[str, Any]:
    return {
        "redis_pool": open_redis(settings, retries=_PATIENCE),
        "job_serializer": write_job,
        "job_deserializer": read_job,
        "job_timeout": JOB_SECONDS,
        "handle_signals": False,
        "poll_delay": 0.1,
        "keep_result": 0,
        "max_tries": 1,
        "retry_jobs": False,
        "health_check_interval": 10,
    }
