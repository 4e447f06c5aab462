"""What a worker may do to a run, and when: the lease.

A running run belongs to whoever knows its lease token. Every statement here is one conditional UPDATE, so the
database decides who wins however many workers try; a worker whose token is no longer the run's is told so by
`LeaseLostError` and must leave the run alone. Moments come from the workers' clocks, which must agree to well
within the length of a lease.
"""

import secrets
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Update, and_, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from scv.db.base import now
from scv.db.tables import EpochMetric, Run
from scv.training.progress import EpochMetrics, Failed, Result, Started


class LeaseLostError(Exception):
    """The run or task is another worker's by now, has ended, or was deleted; nothing was written."""


def _held(run_id: int, token: str) -> Update:
    return update(Run).where(Run.id == run_id, Run.lease_token == token, Run.status == "running")


async def _write(session: AsyncSession, run_id: int, token: str, **values: Any) -> None:
    if await session.scalar(_held(run_id, token).values(**values).returning(Run.id)) is None:
        raise LeaseLostError(f"run {run_id}")


def _ended(status: str, **values: Any) -> dict[str, Any]:
    return {"status": status, "ended_at": now(), "lease_token": None, "lease_until": None, **values}


def _waiting(**values: Any) -> dict[str, Any]:
    # One that is to stop must not wait for its user: the next worker that takes it sees to that.
    paused = and_(Run.paused, Run.stop_requested.is_(False))
    return {"status": "queued", "paused": paused, "lease_token": None, "lease_until": None, **values}


def _failed(failed: Failed) -> dict[str, Any]:
    return _ended("failed", failure_code=failed.code, failure_message=msgspec.json.encode(failed.message).decode())


async def take_lease(session: AsyncSession, run_id: int, attempt: int, seconds: float) -> Run | None:
    """Begin the queued run's attempt: the run with its new `lease_token`.

    None when there is nothing to do: it has ended or is paused, somebody else has it, or another attempt is due.
    """
    moment = now()
    return await session.scalar(
        update(Run)
        .where(Run.id == run_id, Run.status == "queued", Run.attempt == attempt, Run.paused.is_(False))
        .values(
            status="running",
            lease_token=secrets.token_urlsafe(16),
            lease_until=moment + timedelta(seconds=seconds),
            started_at=func.coalesce(Run.started_at, moment),
            taken_at=moment,
        )
        .returning(Run)
        .execution_options(synchronize_session=False)
    )


class RunControl(NamedTuple):
    """What the user wants of a running run, and how long it has been trained in all, in seconds."""

    stop: bool
    pause: bool
    trained_seconds: float


async def renew_lease(
    session: AsyncSession, run_id: int, token: str, seconds: float, trained: float = 0.0
) -> RunControl:
    """Stay the run's worker for so many seconds from now, after `trained` more seconds of training."""
    row = await session.execute(
        _held(run_id, token)
        .values(lease_until=now() + timedelta(seconds=seconds), trained_seconds=Run.trained_seconds + trained)
        .returning(Run.stop_requested, Run.paused, Run.trained_seconds)
    )
    control = row.one_or_none()
    if control is None:
        raise LeaseLostError(f"run {run_id}")
    return RunControl(*control)


async def record_started(session: AsyncSession, run_id: int, token: str, started: Started) -> None:
    """Note what the training found out at its start."""
    await _write(session, run_id, token, device=started.device, parameters=started.parameters)


async def record_epoch(session: AsyncSession, run_id: int, token: str, metrics: EpochMetrics) -> None:
    """Keep an epoch's figures; an epoch that is told again, after a lost worker, replaces itself."""
    # Changes nothing, but holds the row: the lease cannot be lost between this and the commit.
    await _write(session, run_id, token, device=Run.device)
    await session.execute(delete(EpochMetric).where(EpochMetric.run_id == run_id, EpochMetric.epoch == metrics.epoch))
    await session.execute(
        insert(EpochMetric).values(
            run_id=run_id,
            epoch=metrics.epoch,
            train_loss=metrics.train_loss,
            train_accuracy=metrics.train_accuracy,
            validation_loss=metrics.validation_loss,
            validation_accuracy=metrics.validation_accuracy,
            seconds=metrics.seconds,
            best=metrics.best,
            learning_rate=metrics.learning_rate,
            images_per_second=metrics.images_per_second,
        )
    )


async def count_epochs(session: AsyncSession, run_id: int) -> int:
    """How many epochs of the run are recorded."""
    query = select(func.count()).select_from(EpochMetric).where(EpochMetric.run_id == run_id)
    return await session.scalar(query) or 0


async def finish(session: AsyncSession, run_id: int, token: str, result: Result, weights: str) -> None:
    """The run has finished; `weights` is the key of its weights file."""
    await _write(
        session,
        run_id,
        token,
        **_ended(
            "finished",
            dataset_hash=result.dataset_hash,
            device=result.device,
            parameters=result.parameters,
            test_accuracy=result.test_accuracy,
            test_loss=result.test_loss,
            best_epoch=result.best_epoch,
            seconds=result.seconds,
            libraries=result.libraries,
            weights=weights,
        ),
    )


async def stop(session: AsyncSession, run_id: int, token: str, weights: str | None) -> None:
    """The run was stopped on request; `weights` is the key of the best weights, if an epoch was finished."""
    await _write(session, run_id, token, **_ended("stopped", weights=weights))


async def fail(session: AsyncSession, run_id: int, token: str, failed: Failed, weights: str | None = None) -> None:
    """The run has failed for good; `weights` is the key of the best weights until then, if there are any."""
    await _write(session, run_id, token, **_failed(failed), weights=weights)


async def next_attempt(session: AsyncSession, run_id: int, token: str, attempt: int) -> None:
    """The same worker tries once more, as this attempt."""
    await _write(session, run_id, token, attempt=attempt)


async def release(session: AsyncSession, run_id: int, token: str) -> bool:
    """Give the run back unfinished, without blame: the worker is ending, or the user has paused it.

    Returns whether it is paused; if not it waits for a worker. It goes on from its checkpoint.
    """
    paused: bool | None = await session.scalar(_held(run_id, token).values(**_waiting()).returning(Run.paused))
    if paused is None:
        raise LeaseLostError(f"run {run_id}")
    return paused


async def end_lost(session: AsyncSession, run: Run, failed: Failed | None, weights: str | None = None) -> bool:
    """End a run of `list_lost`: failed, or where nothing failed stopped, with the key of the weights it has.

    False when it is not lost after all.
    """
    values = _ended("stopped") if failed is None else _failed(failed)
    return await session.scalar(_still_lost(run).values(**values, weights=weights).returning(Run.id)) is not None


async def requeue_lost(session: AsyncSession, run: Run) -> bool:
    """Queue the next attempt of a run of `list_lost`. False when it is not lost after all."""
    values = _waiting(attempt=run.attempt + 1)
    return await session.scalar(_still_lost(run).values(**values).returning(Run.id)) is not None


def _still_lost(run: Run) -> Update:
    return _held(run.id, run.lease_token or "").where(Run.lease_until == run.lease_until)


async def list_lost(session: AsyncSession) -> list[Run]:
    """All runs whose worker has not renewed its lease in time."""
    query = select(Run).where(Run.status == "running", Run.lease_until < now()).order_by(Run.id)
    return list(await session.scalars(query))


async def run_exists(session: AsyncSession, run_id: int) -> bool:
    """Whether the run is still there: its model may have been deleted."""
    return await session.get(Run, run_id) is not None
