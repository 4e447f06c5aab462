"""Enqueue committed runs, and publish that a waiting run was stopped."""

from collections.abc import Iterable
from contextlib import suppress

from scv.db.tables import Run
from scv.jobs.events import BrokerAwayError, Queued
from scv.training.progress import Stopped
from scv.web.http.services import Services


async def enqueue_runs(services: Services, waiting: Iterable[tuple[int, int]]) -> None:
    """Put runs, each an id and its attempt, into the queue.

    The runs must be committed. Where the broker does not answer, the reaper enqueues them later.
    """
    with suppress(BrokerAwayError):
        for run_id, attempt in waiting:
            await services.queue.publish(run_id, Queued(attempt=attempt))
            await services.queue.enqueue_training(run_id, attempt)


async def publish_stopped(services: Services, run: Run) -> None:
    """Delete the files of a waiting run that was stopped, and publish its end. Its metrics must be loaded."""
    services.files.delete_unfinished(run.id)
    with suppress(BrokerAwayError):  # the page queries the database when no event comes
        await services.queue.publish(run.id, Stopped(epochs=len(run.metrics)))
