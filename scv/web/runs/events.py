"""Server-sent events of a run: the events of its stream, summed up and sent as HTML."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from time import monotonic

from litestar.response.sse import ServerSentEventMessage

from scv.db import runs
from scv.db.scheduling import position_of
from scv.db.tables import User
from scv.errors import NotFoundError
from scv.jobs.events import BrokerAwayError, follow
from scv.web.http.services import Services
from scv.web.runs.live import PAUSED, LiveRun, fold, live_run

INTERVAL = 0.15
"""The least seconds between two fragments. Events in between are summed up into one."""

TICK = 1.0
"""Seconds without events after which events that were not sent yet are sent."""

QUIET = 15.0
"""Seconds without a fragment after which a comment is sent and the database is queried."""

AWAY = 2.0
"""Seconds between two attempts while the broker does not answer."""


async def run_events(
    services: Services, user: User, live: LiveRun, seen: str, render: Callable[[LiveRun], str]
) -> AsyncIterator[ServerSentEventMessage]:
    """Fragments named `progress`, and one named `ended` at the end. Holds no database session while it waits.

    The stream is read from its beginning, because a fragment shows the sum of all events. Events that the browser has
    `seen` (up to its Last-Event-ID) are summed up and not sent again. Where the stream is lost, the database decides.
    """
    # The first fragment is sent after the events so far are summed up.
    after, sent_at, owed = "0-0", monotonic(), False
    while not live.ended:
        try:
            news = follow(services.queue.redis, live.run_id, after, quiet_seconds=TICK)
            async for event_id, event in news:
                after = event_id
                if event is not None:
                    live = fold(live, event)
                    owed = _later(after, seen)
                now = monotonic()
                if owed and (event is None or now - sent_at >= INTERVAL):
                    yield ServerSentEventMessage(render(live), event="progress", id=after)
                    sent_at, owed = now, False
                elif event is None and (live.ended or live.waiting or now - sent_at >= QUIET):
                    break
        except BrokerAwayError:
            await asyncio.sleep(AWAY)
        if not live.ended or live.stage == PAUSED:
            if monotonic() - sent_at >= QUIET:
                yield ServerSentEventMessage(None, comment="still here")
                sent_at = monotonic()
            before, live = live, await _on_record(services, user, live)
            owed = owed or live != before
    yield ServerSentEventMessage(render(live), event="progress", id=after)
    yield ServerSentEventMessage("", event="ended", id=after)


async def _on_record(services: Services, user: User, live: LiveRun) -> LiveRun:
    """The run by the database where that is newer than the events: it ended, began, or continues after a pause.

    Else the run as it was, with its present place in the queue.
    """
    try:
        async with services.database.reading() as session:
            run = await runs.get_visible_run(session, user, live.run_id)
            position = await position_of(session, run.id)
    except NotFoundError:
        return replace(live, ended=True)
    if not run.active or live.ended or (live.waiting and run.status == "running"):
        return live_run(run, live.epochs, position)
    return replace(live, position=position)


def _later(event_id: str, seen: str) -> bool:
    """Whether a stream id (`milliseconds-sequence`) comes after another one."""
    return _numbers(event_id) > _numbers(seen)


def _numbers(event_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = event_id.partition("-")
    try:
        return int(milliseconds[:20]), int(sequence[:20] or 0)
    except ValueError:
        return 0, 0
