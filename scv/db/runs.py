"""Runs as a user sees them: start one, look at it, stop it. What a worker does to them is in `leases`."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager, selectinload

from scv.blocks.message import say
from scv.db.tables import ACTIVE, Model, Run, User, Version, now
from scv.errors import NotFoundError, RefusedError

LIST_LENGTH = 20


async def create_run(session: AsyncSession, version: Version) -> Run:
    """Queue a training of what the version holds now; `version` comes from `get_editable_version_for`.

    Commit, then hand the id to the queue. Raises `RefusedError` while another run of the version goes on.
    """
    going_on = await session.scalar(select(Run.id).where(Run.version_id == version.id, Run.status.in_(ACTIVE)).limit(1))
    if going_on is not None:
        raise RefusedError(say("This version is being trained already. Stop that run first."))
    run = Run(
        version_id=version.id,
        document=version.document,
        settings=version.settings,
        dataset=version.model.dataset,
    )
    session.add(run)
    await session.flush()
    return run


async def get_run_for(session: AsyncSession, user: User, run_id: int) -> Run:
    """The user's run with its metrics, its version and its model; raises `NotFoundError`."""
    run = await session.scalar(
        select(Run)
        .join(Run.version)
        .join(Version.model)
        .where(Run.id == run_id, Model.user_id == user.id)
        .options(contains_eager(Run.version).contains_eager(Version.model), selectinload(Run.metrics))
    )
    if run is None:
        raise NotFoundError(say("There is no such run."))
    return run


async def list_runs_for_version(session: AsyncSession, version: Version) -> list[Run]:
    """The newest runs of the version, the newest first, with their metrics; at most twenty."""
    runs = await session.scalars(
        select(Run)
        .where(Run.version_id == version.id)
        .order_by(Run.id.desc())
        .limit(LIST_LENGTH)
        .options(selectinload(Run.metrics))
    )
    return list(runs)


async def request_stop(session: AsyncSession, run: Run, weights: str | None = None) -> bool:
    """Ask for the run to stop. A queued one is stopped at once; the worker of a running one sees to it.

    `weights` is the key of the weights file if there is one: a queued run may have been trained for a while.

    Returns whether the run was stopped by this very call: the caller then publishes `Stopped(epochs=...)`
    once this is committed. Asking again, or for a run that has ended, changes nothing.
    """
    stopped = await session.scalar(
        update(Run)
        .where(Run.id == run.id, Run.status == "queued")
        .values(status="stopped", stop_requested=True, ended_at=now(), weights=weights)
        .returning(Run.id)
    )
    if stopped is not None:
        return True
    await session.execute(update(Run).where(Run.id == run.id, Run.status == "running").values(stop_requested=True))
    return False
