"""Telling the workers and the pages of what was committed about runs that wait."""

from collections.abc import Iterable
from contextlib import suppress

from scv.blocks.progress import Stopped
from scv.db.tables import Run
from scv.jobs.events import BrokerAwayError, Queued
from scv.web.house import House


async def hand_on(house: House, waiting: Iterable[tuple[int, int]]) -> None:
    """Put runs, each an id and its attempt, into the queue.

    They are on record: where the broker is away, the reaper does it when it is back.
    """
    with suppress(BrokerAwayError):
        for run_id, attempt in waiting:
            await house.queue.publish(run_id, Queued(attempt=attempt))
            await house.queue.enqueue_training(run_id, attempt)


async def tell_stopped(house: House, run: Run) -> None:
    """What follows when a run that waited, loaded with its metrics, was stopped by a request."""
    house.files.delete_unfinished(run.id)
    with suppress(BrokerAwayError):  # the page asks the database when the stream says nothing
        await house.queue.publish(run.id, Stopped(epochs=len(run.metrics)))
