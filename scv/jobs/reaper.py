"""Takes care of runs and tasks that nobody takes care of: every worker does so, at its start and then regularly.

A run or a task is lost when its worker has not renewed the lease in time. Those that wait are found by the workers
themselves, whatever became of their jobs.
"""

import asyncio
from contextlib import suppress

import structlog

from scv.db import leases, tasks
from scv.db.engine import Database
from scv.db.leases import LeaseLostError
from scv.db.tables import Run, Task
from scv.files import Files, weights_key
from scv.jobs.events import BrokerAwayError, Retrying, RunEvent, is_last
from scv.jobs.queue import Queue
from scv.jobs.task_kind import TaskKind
from scv.jobs.task_protocol import Ending, TaskFailed, TaskStopped
from scv.jobs.task_runner import state_of
from scv.jobs.tasks import KINDS
from scv.message import say
from scv.settings import Settings
from scv.training.progress import Failed, Paused, Stopped

WORKER_LOST = Failed(
    code="worker_lost",
    message=say("The worker was lost again and again while it trained this. Its log may tell why."),
)

_LONGEST_PAUSE = 5.0

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


async def reap_for_ever(settings: Settings, database: Database, queue: Queue) -> None:
    """Look after all runs and tasks, now and then again and again, until cancelled."""
    pause = min(settings.lease_seconds / 2, _LONGEST_PAUSE)
    while True:
        try:
            await reap_tasks(settings, database)
            await reap(settings, database, queue)
        except Exception:
            # Whatever it was: without this loop what is lost would stay lost.
            log.exception("the runs and tasks could not be looked after this time")
        await asyncio.sleep(pause)


async def reap(settings: Settings, database: Database, queue: Queue) -> None:
    """One look at the runs: queue or end those that lost their workers. Several at once do no harm."""
    async with database.reading() as session:
        lost = await leases.list_lost(session)
    for run in lost:
        event = await _take_from_lost_worker(settings, database, run)
        if event is not None:
            log.warning("a run lost its worker", run=run.id, attempt=run.attempt, becomes=event)
            with suppress(BrokerAwayError):  # then pages and workers read it in the database a little later
                await queue.publish(run.id, event)
                if isinstance(event, Retrying):
                    await queue.enqueue_training(run.id, event.attempt)


async def _take_from_lost_worker(settings: Settings, database: Database, run: Run) -> RunEvent | None:
    """Decide in the database what becomes of the run; None where another reaper or the worker was faster."""
    files = Files(settings.data_dir / "files")
    weights = files.existing(weights_key(run.id))
    async with database.writing() as session:
        epochs = await leases.count_epochs(session, run.id)
        event: RunEvent
        if run.stop_requested:
            event, taken = Stopped(epochs=epochs), await leases.end_lost(session, run, None, weights)
        elif run.attempt >= settings.attempts:
            event, taken = WORKER_LOST, await leases.end_lost(session, run, WORKER_LOST, weights)
        else:
            retrying = Retrying(attempt=run.attempt + 1, reason="worker_lost")
            event = Paused(epochs=epochs) if run.paused else retrying
            taken = await leases.requeue_lost(session, run)
    if not taken:
        return None
    if is_last(event):
        files.delete_unfinished(run.id)
    return event


async def reap_tasks(settings: Settings, database: Database) -> None:
    """One look at the tasks: queue or end those that lost their workers. Several at once do no harm."""
    async with database.reading() as session:
        lost = await tasks.list_lost(session)
    kinds = {kind.name: kind for kind in KINDS}
    for task in lost:
        if task.kind in kinds:  # else it is of a newer version of SCV, whose workers see to it
            with suppress(LeaseLostError):  # somebody was faster
                await _take_task_from_lost_worker(settings, database, kinds[task.kind], task)


async def _take_task_from_lost_worker(settings: Settings, database: Database, kind: TaskKind, task: Task) -> None:
    """Decide in the database what becomes of the task. Raises `LeaseLostError` where it was not lost after all."""
    ending: Ending = TaskStopped() if task.stop_requested else TaskFailed(kind.lost)
    if not task.stop_requested and task.attempt < settings.attempts:
        async with database.writing() as session:
            await tasks.requeue_lost(session, task)
        log.warning("a task lost its worker", task=task.id, kind=task.kind, subject=task.subject, attempt=task.attempt)
        return
    async with database.writing() as session:
        ending = await kind.record(settings, session, task, ending)
        await tasks.end_lost(session, task, *state_of(ending))
    log.warning("a task lost its worker, and ends", task=task.id, kind=task.kind, subject=task.subject, ending=ending)
    await kind.clear(settings, database, task, ending)
