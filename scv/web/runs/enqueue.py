"""Telling the workers and the pages of what was committed about runs that wait."""

from collections.abc import Iterable
from contextlib import suppress

from scv.db.tables import Run
from scv.jobs.events import BrokerAwayError, Queued
from scv.training.progress import Stopped
from scv.web.http.services import Services


async def enqueue_runs(services: Services, waiting: Iterable[tuple[int, int]]) -> None:
    """Put runs, each an id and its attempt, into the queue.

    They are on record: where the broker is away, the reaper does it when it is back.
    """
    with suppress(BrokerAwayError):
        for run_id, attempt in waiting:
            await services.queue.publish(run_id, Queued(attempt=attempt))
            await services.queue.enqueue_training(run_id, attempt)


async def publish_stopped(services: Services, run: Run) -> None:
    """What follows when a run that waited, loaded with its metrics, was stopped by a request."""
    services.files.delete_unfinished(run.id)
    with suppress(BrokerAwayError):  # the page asks the database when the stream says nothing
        await services.queue.publish(run.id, Stopped(epochs=len(run.metrics)))
