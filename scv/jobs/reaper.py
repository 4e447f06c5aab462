"""Takes care of runs that nobody takes care of: every worker looks after them, at its start and then regularly.

A run is lost when its worker has not renewed the lease in time; a queued one is stranded when the broker has
lost its job, or a worker picked the job and was killed before it took the lease.
"""

import asyncio
import logging

from scv.db import leases
from scv.db.engine import Database
from scv.db.tables import Run
from scv.files import Files, weights_key
from scv.jobs.events import BrokerAwayError, Retrying, RunEvent, is_last
from scv.jobs.queue import Queue
from scv.message import say
from scv.settings import Settings
from scv.training.progress import Failed, Paused, Stopped

WORKER_LOST = Failed(
    code="worker_lost",
    message=say("The worker was lost again and again while it trained this. Its log may tell why."),
)

_LONGEST_PAUSE = 5.0

log = logging.getLogger(__name__)


async def reap_for_ever(settings: Settings, database: Database, queue: Queue) -> None:
    """Look after all runs, now and then again and again, until cancelled."""
    pause = min(settings.lease_seconds / 2, _LONGEST_PAUSE)
    while True:
        try:
            await reap(settings, database, queue)
        except BrokerAwayError:
            log.warning("the broker is away; what waits is enqueued when it is back")
        except Exception:
            # Whatever it was: without this loop a lost run would stay lost.
            log.exception("the runs could not be looked after this time")
        await asyncio.sleep(pause)


async def reap(settings: Settings, database: Database, queue: Queue) -> None:
    """One look: requeue or end what is lost, enqueue what is stranded. Several at once do no harm."""
    async with database.reading() as session:
        lost = await leases.list_lost(session)
    for run in lost:
        event = await _take_from_lost_worker(settings, database, run)
        if event is not None:
            log.warning("run %s lost its worker in attempt %s: %r", run.id, run.attempt, event)
            await queue.forget_training(run.id, run.attempt)
            await queue.publish(run.id, event)

    async with database.reading() as session:
        queued = await leases.list_queued(session)
    for run in queued:
        picked = await queue.picked_seconds_ago(run.id, run.attempt)
        if picked is not None and picked > settings.lease_seconds:
            await queue.forget_training(run.id, run.attempt)
        if await queue.enqueue_training(run.id, run.attempt):
            log.info("run %s, attempt %s is enqueued again", run.id, run.attempt)


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
