"""What is trained and what waits, whosever it is: for the owner of the installation alone."""

from typing import NamedTuple

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager, joinedload, selectinload

from scv.db.scheduling import list_in_turn
from scv.db.tables import EpochMetric, Model, Run, Task, User, Version
from scv.errors import NotFoundError
from scv.message import say


class Training(NamedTuple):
    """A run that a worker has, with how many epochs it has finished."""

    run: Run
    epochs: int


class Line(NamedTuple):
    """The first of the runs that wait, in the order of turns, and how many there are in all."""

    runs: list[Run]
    total: int


def _refuse_others(user: User) -> None:
    if not user.owner:
        raise NotFoundError(say("There is no such page."))


def _with_names() -> Select[Run]:
    """Runs with version, model and user, but without documents."""
    version = contains_eager(Run.version)
    return (
        select(Run)
        .join(Run.version)
        .join(Version.model)
        .join(Model.user)
        .options(
            contains_eager(Run.version).contains_eager(Version.model).contains_eager(Model.user),
            version.defer(Version.document, raiseload=True),
        )
    )


async def list_training_for_owner(session: AsyncSession, owner: User) -> list[Training]:
    """All runs that workers have, the oldest first. Raises `NotFoundError` for anybody else."""
    _refuse_others(owner)
    runs = list(await session.scalars(_with_names().where(Run.status == "running").order_by(Run.id)))
    counted = await session.execute(
        select(EpochMetric.run_id, func.count())
        .where(EpochMetric.run_id.in_([run.id for run in runs]))
        .group_by(EpochMetric.run_id)
    )
    epochs = {row[0]: row[1] for row in counted}
    return [Training(run, epochs.get(run.id, 0)) for run in runs]


async def list_waiting_for_owner(session: AsyncSession, owner: User, most: int) -> Line:
    """The runs that wait for a worker, as their turns come; `most` of them. Raises `NotFoundError`."""
    _refuse_others(owner)
    order = [waiting.run_id for waiting in await list_in_turn(session)]
    shown = order[:most]
    runs = {run.id: run for run in await session.scalars(_with_names().where(Run.id.in_(shown)))}
    return Line([runs[run_id] for run_id in shown if run_id in runs], len(order))


async def list_tasks_for_owner(session: AsyncSession, owner: User, most: int) -> list[Task]:
    """All tasks that run or wait, with their users: those that run first, `most` of them. Raises `NotFoundError`."""
    _refuse_others(owner)
    query = select(Task).where(Task.state.in_(("queued", "running"))).options(joinedload(Task.user))
    return list(await session.scalars(query.order_by(Task.state.desc(), Task.id).limit(most)))


async def get_any_task_for_owner(session: AsyncSession, owner: User, task_id: int) -> Task:
    """The task, whosever it is. Raises `NotFoundError`, also for anybody else."""
    _refuse_others(owner)
    task = await session.get(Task, task_id)
    if task is None:
        raise NotFoundError(say("There is no such task."))
    return task


async def get_any_run_for_owner(session: AsyncSession, owner: User, run_id: int) -> Run:
    """The run with its metrics, whosever it is. Raises `NotFoundError`, also for anybody else."""
    _refuse_others(owner)
    run = await session.get(Run, run_id, options=[selectinload(Run.metrics)])
    if run is None:
        raise NotFoundError(say("There is no such run."))
    return run
