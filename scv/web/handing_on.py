"""Telling the workers of runs that wait, once these are committed."""

from collections.abc import Iterable
from contextlib import suppress

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
