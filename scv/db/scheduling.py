"""Whose turn it is: the waiting runs in the order in which workers take them, one user after the other.

Somebody who asks for fifty trainings waits for his second until everybody else's first has begun.
"""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from scv.db.access import owned_by_any
from scv.db.leases import take_lease
from scv.db.locks import lock_name
from scv.db.tables import Model, Run, Version

_LATER = 1e12
"""A moment after all real ones, in seconds since 1970."""


class Waiting(NamedTuple):
    """A run that waits for a worker, and who asked for it."""

    run_id: int
    attempt: int
    user_id: int


class Share(NamedTuple):
    """What a user has had: how many runs are being trained, and when a worker took one last (seconds since 1970)."""

    running: int
    taken: float


def in_turn(waiting: Sequence[Waiting], shares: Mapping[int, Share]) -> list[Waiting]:
    """The order of turns; `waiting` has the oldest first. Next is who has the fewest runs in training.

    Of those with equally few, it is the one whose last run was taken longest ago.
    """
    theirs: dict[int, deque[Waiting]] = defaultdict(deque)
    for run in waiting:
        theirs[run.user_id].append(run)
    next_ones = [(*shares.get(user, Share(0, 0.0)), runs[0].run_id, user) for user, runs in theirs.items()]
    heapify(next_ones)
    order: list[Waiting] = []
    while next_ones:
        running, _, _, user = heappop(next_ones)
        order.append(theirs[user].popleft())
        if theirs[user]:
            heappush(next_ones, (running + 1, _LATER + len(order), theirs[user][0].run_id, user))
    return order


async def take_next(session: AsyncSession, seconds: float, running_per_user: int) -> Run | None:
    """Take the lease of the run whose turn it is; None where none waits that may begin.

    A user with `running_per_user` runs in training is passed over.
    """
    # Workers choose one after the other: each counts what the one before it has taken.
    await lock_name(session, "turns")
    waiting, shares = await _look(session)
    for next_one in in_turn(waiting, shares):
        if shares[next_one.user_id].running < running_per_user:
            run = await take_lease(session, next_one.run_id, next_one.attempt, seconds)
            if run is not None:  # its user has not stopped or paused it meanwhile
                return run
    return None


async def count_ready(session: AsyncSession, running_per_user: int) -> int:
    """How many runs wait that may begin: those of a user with `running_per_user` runs in training may not."""
    waiting, shares = await _look(session)
    return sum(1 for run in waiting if shares[run.user_id].running < running_per_user)


async def list_in_turn(session: AsyncSession) -> list[Waiting]:
    """All runs that wait for a worker, as their turns come."""
    return in_turn(*await _look(session))


async def position_of(session: AsyncSession, run_id: int) -> int | None:
    """How many turns it takes until the run is taken, from 1; None where it does not wait."""
    order = await list_in_turn(session)
    return next((place for place, run in enumerate(order, 1) if run.run_id == run_id), None)


async def _look(session: AsyncSession) -> tuple[list[Waiting], dict[int, Share]]:
    """All that wait, the oldest first, and the shares of those whose runs they are."""
    owned = select(Run.id, Run.attempt, Model.user_id).join(Run.version).join(Version.model)
    rows = await session.execute(owned.where(Run.status == "queued", Run.paused.is_(False)).order_by(Run.id))
    waiting = [Waiting(*row) for row in rows]
    users = {run.user_id for run in waiting}
    running = func.sum(case((Run.status == "running", 1), else_=0))
    counted = await session.execute(
        select(Model.user_id, running, func.max(Run.taken_at))
        .select_from(Run)
        .join(Run.version)
        .join(Version.model)
        .where(owned_by_any(users, Model))
        .group_by(Model.user_id)
    )
    return waiting, {user: Share(number, taken.timestamp() if taken else 0.0) for user, number, taken in counted}
