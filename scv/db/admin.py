"""All runs of all users, for the owner of the instance alone."""

from typing import NamedTuple

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager, joinedload, selectinload

from scv.db.scheduling import list_in_turn
from scv.db.tables import EpochMetric, Model, Run, Task, Version
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
            version.defer(Version.document_json, raiseload=True),
        )
    )


async def list_all_training(session: AsyncSession) -> list[Training]:
    """All runs that workers have, the oldest first."""
    runs = list(await session.scalars(_with_names().where(Run.status == "running").order_by(Run.id)))
    counted = await session.execute(
        select(EpochMetric.run_id, func.count())
        .where(EpochMetric.run_id.in_([run.id for run in runs]))
        .group_by(EpochMetric.run_id)
    )
    epochs = {row[0]: row[1] for row in counted}
    return [Training(run, epochs.get(run.id, 0)) for run in runs]


async def list_all_waiting(session: AsyncSession, most: int) -> Line:
    """The runs that wait for a worker, as their turns come; `most` of them."""
    order = [waiting.run_id for waiting in await list_in_turn(session)]
    shown = order[:most]
    runs = {run.id: run for run in await session.scalars(_with_names().where(Run.id.in_(shown)))}
    return Line([runs[run_id] for run_id in shown if run_id in runs], len(order))


async def list_all_tasks(session: AsyncSession, most: int) -> list[Task]:
    """All tasks that run or wait, with their users: those that run first, `most` of them."""
    query = select(Task).where(Task.state.in_(("queued", "running"))).options(joinedload(Task.user))
    return list(await session.scalars(query.order_by(Task.state.desc(), Task.id).limit(most)))


async def get_any_task(session: AsyncSession, task_id: int) -> Task:
    """The task, whoever owns it. Raises `NotFoundError`."""
    task = await session.get(Task, task_id)
    if task is None:
        raise NotFoundError(say("There is no such task."))
    return task


async def get_any_run(session: AsyncSession, run_id: int) -> Run:
    """The run with its metrics, whoever owns it. Raises `NotFoundError`."""
    run = await session.get(Run, run_id, options=[selectinload(Run.metrics)])
    if run is None:
        raise NotFoundError(say("There is no such run."))
    return run
