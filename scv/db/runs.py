"""Runs as a user sees them: start, look, stop, pause, go on. What a worker does to them is in `leases`."""

import msgspec
from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager, selectinload

from scv.db import tasks
from scv.db.access import Permission, editable_by, load, owned_by, visible_to
from scv.db.base import now
from scv.db.locks import hold_dataset, lock_user, lock_version
from scv.db.models import with_own
from scv.db.tables import ACTIVE, Model, Run, Task, User, Version
from scv.errors import NotFoundError, RefusedError
from scv.message import Message, say
from scv.training.progress import Result
from scv.training.settings import TrainingSettings

LIST_LENGTH = 20

LARGEST_SEED = 2**31
"""Seeds go round from here to 0."""


async def create_runs(session: AsyncSession, version: Version, queued_per_user: int) -> list[Run]:
    """Queue a training of what the version holds now, one for each of its seeds, the first seed first.

    `version` comes from `get_editable_version`. Commit, then hand the ids to the queue. Raises `RefusedError`
    while another run of the version goes on, and where the user would have more than `queued_per_user` that wait.
    """
    return await _queue(session, version, version, version.settings, version.model.dataset, queued_per_user)


async def repeat_run(session: AsyncSession, run: Run, settings: TrainingSettings, queued_per_user: int) -> list[Run]:
    """Queue a training of the run's own network on its own dataset, with these settings.

    `run` comes from `get_editable_run`.

    Returns and raises as `create_runs` does.
    """
    return await _queue(session, run.version, run, settings, run.dataset, queued_per_user)


async def _queue(
    session: AsyncSession,
    version: Version,
    network: Version | Run,
    settings: TrainingSettings,
    dataset: str,
    queued_per_user: int,
) -> list[Run]:
    if not await lock_version(session, version.id):
        raise NotFoundError(say("There is no such version."))
    await lock_user(session, version.model.user_id)  # whose runs are counted
    if not await hold_dataset(session, dataset):
        raise RefusedError(say("The dataset was deleted. Choose another dataset for this model."))
    await _refuse_beside_another(session, version.id)
    waiting = await session.scalar(
        select(func.count()).select_from(Run).where(owned_by(version.model.user_id, Run), Run.status == "queued")
    )
    if (waiting or 0) + settings.seeds > queued_per_user:
        raise RefusedError(_too_many(waiting or 0, settings.seeds, queued_per_user))
    runs = [
        Run(version_id=version.id, document_json=network.document_json, settings=one, dataset=dataset)
        for one in _from_each_seed(settings)
    ]
    session.add_all(runs)
    await session.flush()
    if len(runs) > 1:
        for run in runs:
            run.series = runs[0].id
        await session.flush()
    return runs


def _from_each_seed(settings: TrainingSettings) -> list[TrainingSettings]:
    """The settings of each run of a series, which is one training from one seed."""
    seeds = [(settings.seed + number) % LARGEST_SEED for number in range(settings.seeds)]
    return [msgspec.structs.replace(settings, seed=seed, seeds=1) for seed in seeds]


def _too_many(waiting: int, more: int, limit: int) -> Message:
    if more == 1:
        return say(
            "You have {count} runs in the queue or paused; the limit is {limit}. Wait until one starts, or stop one.",
            count=waiting,
            limit=limit,
        )
    return say(
        "{more} runs would join {count} others of yours in the queue; the limit is {limit}. Choose fewer seeds.",
        more=more,
        count=waiting,
        limit=limit,
    )


async def list_series(session: AsyncSession, run: Run) -> list[Run]:
    """The runs of the same network from other seeds and this one, with their metrics; empty where it stands alone."""
    if run.series is None:
        return []
    found = await session.scalars(
        select(Run).where(Run.series == run.series).order_by(Run.id).options(selectinload(Run.metrics))
    )
    return list(found)


async def _refuse_beside_another(session: AsyncSession, version_id: int) -> None:
    query = select(Run.id).where(
        Run.version_id == version_id, Run.status.in_(ACTIVE), or_(Run.status == "running", Run.paused.is_(False))
    )
    if await session.scalar(query.limit(1)) is not None:
        raise RefusedError(say("This version is being trained already. Stop that run first."))


async def get_visible_run(session: AsyncSession, user: User, run_id: int) -> Run:
    """A run that the user may look at, with its metrics, its version and its model; raises `NotFoundError`."""
    return await _load(session, user, run_id, visible_to)


async def get_editable_run(session: AsyncSession, user: User, run_id: int) -> Run:
    """A run that the user may stop, pause and repeat, and whose report they may order; loaded like a visible one.

    Raises `NotFoundError`, and `NotAllowedError` where the user may only look at it.
    """
    return await _load(session, user, run_id, editable_by)


async def _load(session: AsyncSession, user: User, run_id: int, permission: Permission) -> Run:
    query = (
        select(Run)
        .join(Run.version)
        .join(Version.model)
        .where(Run.id == run_id)
        .options(
            contains_eager(Run.version).contains_eager(Version.model),
            selectinload(Run.metrics),
            with_own(Run.own),
        )
    )
    return await load(session, query, user, Run, permission, missing=say("There is no such run."))


def result_of(run: Run) -> Result | None:
    """The end of a finished run's training, of its row, which is loaded with its metrics; None of any other."""
    best = next((metric for metric in run.metrics if metric.epoch == run.best_epoch), None)
    if run.status != "finished" or best is None or run.test_accuracy is None or run.test_loss is None:
        return None
    return Result(
        test_accuracy=run.test_accuracy,
        test_loss=run.test_loss,
        epochs=len(run.metrics),
        best_epoch=best.epoch,
        validation_accuracy=best.validation_accuracy,
        seconds=run.seconds or 0.0,
        parameters=run.parameters or 0,
        device=run.device or "",
        dataset_hash=run.dataset_hash or "",
        libraries=run.libraries or {},
        weights=run.weights or "",
    )


async def request_report(session: AsyncSession, run_id: int) -> Task:
    """Have the run's report made: a task of the kind "report", about the run's id. Commit, then hand it to the queue.

    Raises `NotFoundError`.
    """
    query = select(Model.user_id, Model.name).join(Model.versions).join(Version.runs).where(Run.id == run_id)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError(say("There is no such run."))
    return await tasks.request(session, "report", str(run_id), user_id=row.user_id, title=row.name)


async def list_runs_for_version(session: AsyncSession, version: Version) -> list[Run]:
    """The newest runs of the version, the newest first, with their metrics; at most twenty."""
    return list(await session.scalars(_OF_VERSION, {"version_id": version.id}))


_OF_VERSION = (
    select(Run)
    .where(Run.version_id == bindparam("version_id"))
    .order_by(Run.id.desc())
    .limit(LIST_LENGTH)
    .options(selectinload(Run.metrics))
)
"""Built once, since every edit asks it."""


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


async def request_pause(session: AsyncSession, run: Run) -> bool:
    """Ask for the run to pause. A queued one is paused at once; the worker of a running one gives it back.

    Returns whether the run waits for its user by now: the caller then publishes `Paused`. Asking for a run that
    has ended changes nothing.
    """
    status = await session.scalar(
        update(Run)
        .where(Run.id == run.id, Run.status.in_(ACTIVE), Run.stop_requested.is_(False))
        .values(paused=True)
        .returning(Run.status)
    )
    return status == "queued"


async def resume_run(session: AsyncSession, run: Run) -> int | None:
    """Have a paused run go on where it was. Raises `RefusedError` while another run of its version goes on.

    Returns the attempt that waits for a worker now: the caller hands it to the queue. None where nothing waits:
    the run has ended, or is still running and goes on.
    """
    await lock_version(session, run.version_id)
    if await session.scalar(select(Run.id).where(Run.id == run.id, Run.status == "queued", Run.paused)) is not None:
        await _refuse_beside_another(session, run.version_id)
    row = await session.execute(
        update(Run)
        .where(Run.id == run.id, Run.status.in_(ACTIVE), Run.paused)
        .values(paused=False)
        .returning(Run.status, Run.attempt)
    )
    resumed = row.one_or_none()
    return resumed.attempt if resumed is not None and resumed.status == "queued" else None
