"""What becomes of long work: requested, taken by a worker, renewed, ended, tried again, stopped.

A running task belongs to whoever knows its lease token. Each change is one conditional statement, so the database
decides who wins however many workers try: a worker whose token is no longer the task's gets `LeaseLostError`, and has
changed nothing. Moments come from the workers' clocks, which must agree to well within the length of a lease.
"""

import secrets
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import Select, Update, case, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from scv.db.access import owned_by
from scv.db.base import now
from scv.db.leases import LeaseLostError
from scv.db.tables import Task, TaskState, User
from scv.errors import NotFoundError
from scv.message import Message, say
from scv.stage import Stage

_ACTIVE = ("queued", "running")


async def request(
    session: AsyncSession, kind: str, subject: str, *, user_id: int, title: str, arguments: str | None = None
) -> Task:
    """The active task of this kind and subject; where there is none, a new one that waits for a worker.

    A new task takes the place of the one that ended before it. Commit, then hand it to the queue.
    """
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    values = {"kind": kind, "subject": subject, "title": title, "arguments": arguments, "user_id": user_id}
    while True:
        await forget_ended(session, kind, [subject])
        added: Task | None = await session.scalar(
            dialect.insert(Task).values(values).on_conflict_do_nothing().returning(Task)
        )
        if added is not None:
            return added
        active = await session.scalar(_of(kind, [subject]).where(Task.state.in_(_ACTIVE)))
        if active is not None:  # else it has ended since
            return active


async def find(session: AsyncSession, kind: str, subject: str) -> Task | None:
    """The task of this kind and subject: the active one, or the one that ended last."""
    return (await find_all(session, kind, [subject])).get(subject)


async def find_all(session: AsyncSession, kind: str, subjects: Collection[str]) -> dict[str, Task]:
    """The same for several subjects; those that have none are left out."""
    return {task.subject: task for task in await session.scalars(_of(kind, subjects).order_by(Task.id))}


async def forget(session: AsyncSession, kind: str, subjects: Collection[str]) -> None:
    """Remove the tasks of subjects that are deleted. A worker that has one loses its lease."""
    await session.execute(delete(Task).where(Task.kind == kind, Task.subject.in_(subjects)))


async def forget_ended(session: AsyncSession, kind: str, subjects: Collection[str]) -> None:
    """Remove the subjects' tasks that have ended."""
    await session.execute(delete(Task).where(Task.kind == kind, Task.subject.in_(subjects), Task.state.not_in(_ACTIVE)))


async def is_any_waiting(session: AsyncSession, kinds: Collection[str]) -> bool:
    """Whether a task of these kinds waits for a worker."""
    query = select(Task.id).where(Task.state == "queued", Task.kind.in_(kinds)).limit(1)
    return await session.scalar(query) is not None


async def take(session: AsyncSession, kinds: Collection[str], seconds: float) -> Task | None:
    """Begin the task of these kinds that has waited longest, with a new `lease_token` for so many seconds.

    None where no task waits.
    """
    longest = (
        select(Task.id)
        .where(Task.state == "queued", Task.kind.in_(kinds))
        .order_by(Task.id)
        .limit(1)
        .with_for_update(skip_locked=True)  # on PostgreSQL; SQLite has one writer at a time
    )
    moment = now()
    return await session.scalar(
        update(Task)
        .where(Task.id == longest.scalar_subquery(), Task.state == "queued")
        .values(
            state="running",
            lease_token=secrets.token_urlsafe(16),
            lease_until=moment + timedelta(seconds=seconds),
            started_at=func.coalesce(Task.started_at, moment),
        )
        .returning(Task)
        .execution_options(synchronize_session=False)
    )


async def renew(
    session: AsyncSession,
    task_id: int,
    token: str,
    seconds: float,
    stage: Stage | None = None,
    fraction: float | None = None,
    estimate: float | None = None,
) -> bool:
    """Stay the task's worker for so many seconds from now, and write down how far it is.

    Returns whether somebody wants the task to stop.
    """
    stop: bool | None = await session.scalar(
        _held(task_id, token)
        .values(
            lease_until=now() + timedelta(seconds=seconds),
            stage=None if stage is None else msgspec.json.encode(stage).decode(),
            fraction=fraction,
            estimate=estimate,
        )
        .returning(Task.stop_requested)
    )
    if stop is None:
        raise LeaseLostError(f"task {task_id}")
    return stop


async def end(
    session: AsyncSession, task_id: int, token: str, state: TaskState, message: Message | None = None
) -> None:
    """The task has ended: done, stopped, or failed for the reason in `message`."""
    await _write(session, _held(task_id, token), _ended(state, message), f"task {task_id}")


async def release(session: AsyncSession, task_id: int, token: str) -> None:
    """Give the task back unfinished, without blame: its worker is ending."""
    await _write(session, _held(task_id, token), _WAITING, f"task {task_id}")


async def requeue(session: AsyncSession, task_id: int, token: str, attempt: int) -> None:
    """Have a running task tried once more, as this attempt: its process was lost."""
    await _write(session, _held(task_id, token), {**_WAITING, "attempt": attempt}, f"task {task_id}")


async def requeue_lost(session: AsyncSession, task: Task) -> None:
    """Queue the next attempt of a task of `list_lost`. Raises `LeaseLostError` where it was not lost after all."""
    await _write(session, _still_lost(task), {**_WAITING, "attempt": task.attempt + 1}, f"task {task.id}")


async def end_lost(session: AsyncSession, task: Task, state: TaskState, message: Message | None = None) -> None:
    """End a task of `list_lost`. Raises `LeaseLostError` where it was not lost after all."""
    await _write(session, _still_lost(task), _ended(state, message), f"task {task.id}")


async def request_stop(session: AsyncSession, task: Task) -> bool:
    """Stop the task: at once while it waits; of a running one the worker sees to it.

    Returns whether it was stopped by this very call. For a task that has ended nothing changes.
    """
    stopped = await session.scalar(
        update(Task).where(Task.id == task.id, Task.state == "queued").values(_ended("stopped")).returning(Task.id)
    )
    if stopped is None:
        await session.execute(
            update(Task).where(Task.id == task.id, Task.state == "running").values(stop_requested=True)
        )
    return stopped is not None


async def list_lost(session: AsyncSession) -> list[Task]:
    """All tasks whose worker has not renewed the lease in time."""
    query = select(Task).where(Task.state == "running", Task.lease_until < now()).order_by(Task.id)
    return list(await session.scalars(query))


async def list_owned_tasks(session: AsyncSession, user: User, most: int) -> list[Task]:
    """What the user requested: first what runs, then what waits, then what has ended, the newest first."""
    ended_last = case((Task.state == "running", 0), (Task.state == "queued", 1), else_=2)
    query = select(Task).where(owned_by(user, Task)).order_by(ended_last, Task.id.desc()).limit(most)
    return list(await session.scalars(query))


async def get_owned_task(session: AsyncSession, user: User, task_id: int) -> Task:
    """A task that the user requested; raises `NotFoundError`."""
    task = await session.scalar(select(Task).where(Task.id == task_id, owned_by(user, Task)))
    if task is None:
        raise NotFoundError(say("There is no such task."))
    return task


def _of(kind: str, subjects: Collection[str]) -> Select[Task]:
    return select(Task).where(Task.kind == kind, Task.subject.in_(subjects))


def _held(task_id: int, token: str) -> Update:
    return update(Task).where(Task.id == task_id, Task.lease_token == token, Task.state == "running")


def _still_lost(task: Task) -> Update:
    return _held(task.id, task.lease_token or "").where(Task.lease_until == task.lease_until)


async def _write(session: AsyncSession, where: Update, values: dict[str, Any], name: str) -> None:
    statement = where.values(values).returning(Task.id).execution_options(synchronize_session=False)
    if await session.scalar(statement) is None:
        raise LeaseLostError(name)


_UNHELD = {"lease_token": None, "lease_until": None, "stage": None, "fraction": None, "estimate": None}

_WAITING: dict[str, Any] = {"state": "queued", **_UNHELD}


def _ended(state: TaskState, message: Message | None = None) -> dict[str, Any]:
    text = None if message is None else msgspec.json.encode(message).decode()
    return {"state": state, "message": text, "ended_at": now(), **_UNHELD}
