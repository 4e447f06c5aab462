"""Server-sent events of a run: its stream, folded into fragments of HTML."""

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
"""Seconds between two fragments at least; events in between are folded together."""

TICK = 1.0
"""Seconds without news after which what was folded in but not sent yet is sent."""

QUIET = 15.0
"""Seconds without a fragment after which the connection gets a comment, and the database is asked."""

AWAY = 2.0
"""Seconds between two tries while the broker is away."""


async def run_events(
    services: Services, user: User, live: LiveRun, seen: str, render: Callable[[LiveRun], str]
) -> AsyncIterator[ServerSentEventMessage]:
    """Fragments named `progress`, and one named `ended` at the end. Holds no database session while it waits.

    The stream is read from its beginning, since what is shown is the sum of all events; what the browser has
    `seen` already (its Last-Event-ID) is summed up without being sent again. Where the stream is lost, the
    database is asked now and then and has the last word.
    """
    # The first fragment waits as well, until the news there has been so far are summed up.
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
    """The run as the database has it where the news fell behind: it has ended, begun, or goes on after a pause.

    Else what was known before, with its place among those that wait.
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
