import asyncio
from typing import Any

import pytest

from scv.db import leases, runs
from scv.db.engine import Database
from scv.db.leases import LeaseLostError
from scv.db.scheduling import list_in_turn
from scv.db.tables import Run, User
from scv.message import say
from scv.training.progress import EpochMetrics, Failed, Result, Started
from tests.db.conftest import add_model, add_run, add_user

RESULT = Result(
    test_accuracy=0.97,
    test_loss=0.1,
    epochs=2,
    best_epoch=2,
    validation_accuracy=0.96,
    seconds=1.5,
    parameters=650,
    device="cpu",
    dataset_hash="sha256:00",
    libraries={"torch": "2"},
    weights="/somewhere",
)


def epoch(number: int, loss: float = 1.0) -> EpochMetrics:
    return EpochMetrics(
        epoch=number,
        train_loss=loss,
        train_accuracy=0.5,
        validation_loss=loss,
        validation_accuracy=0.5,
        seconds=0.1,
        best=True,
    )


@pytest.fixture
async def ada(database: Database) -> User:
    return await add_user(database)


@pytest.fixture
async def run(database: Database, ada: User) -> Run:
    model = await add_model(database, ada)
    return await add_run(database, model.versions[0])


async def take(database: Database, run: Run, attempt: int = 1, seconds: float = 10) -> str | None:
    async with database.writing() as session:
        leased = await leases.take_lease(session, run.id, attempt, seconds)
    return leased.lease_token if leased else None


async def hold(database: Database, run: Run, seconds: float = 10) -> str:
    token = await take(database, run, seconds=seconds)
    assert token is not None
    return token


async def write(database: Database, function: Any, *args: Any) -> Any:
    async with database.writing() as session:
        return await function(session, *args)


async def load(database: Database, user: User, run: Run) -> Run:
    async with database.reading() as session:
        return await runs.get_visible_run(session, user, run.id)


async def test_of_many_workers_one_gets_the_run(database: Database, run: Run) -> None:
    tokens = await asyncio.gather(*(take(database, run) for _ in range(6)))
    assert sum(token is not None for token in tokens) == 1


async def test_another_attempt_than_the_one_due_gets_nothing(database: Database, run: Run) -> None:
    assert await take(database, run, attempt=2) is None


async def test_a_run_is_recorded_from_start_to_finish(database: Database, ada: User, run: Run) -> None:
    token = await hold(database, run)
    started = Started(
        device="cpu",
        parameters=650,
        epochs=2,
        steps_per_epoch=3,
        train_images=10,
        validation_images=2,
        test_images=2,
    )
    await write(database, leases.record_started, run.id, token, started)
    for number in (1, 2, 3):
        await write(database, leases.record_epoch, run.id, token, epoch(number))
    # After a lost worker the training tells again what its checkpoint knows.
    await write(database, leases.record_epoch, run.id, token, epoch(2, loss=0.5))
    assert await write(database, leases.count_epochs, run.id) == 3
    await write(database, leases.finish, run.id, token, RESULT, "runs/1/weights.safetensors")
    done = await load(database, ada, run)
    assert [(metric.epoch, metric.train_loss) for metric in done.metrics] == [(1, 1.0), (2, 0.5), (3, 1.0)]
    assert (done.status, done.test_accuracy, done.libraries) == ("finished", 0.97, {"torch": "2"})
    assert done.lease_token is None
    assert done.ended_at is not None
    assert done.started_at is not None


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (leases.renew_lease, (10,)),
        (leases.record_epoch, (epoch(1),)),
        (leases.finish, (RESULT, "key")),
        (leases.stop, (None,)),
        (leases.fail, (Failed(code="diverged", message=say("No.")),)),
        (leases.next_attempt, (2,)),
        (leases.release, ()),
    ],
)
async def test_a_worker_without_the_lease_changes_nothing(
    database: Database, ada: User, run: Run, function: Any, args: tuple[Any, ...]
) -> None:
    """The fence: a worker that was away for too long comes back when another one has the run."""
    late = await hold(database, run, seconds=-1)
    assert [lost.id for lost in await write(database, leases.list_lost)] == [run.id]
    (lost,) = await write(database, leases.list_lost)
    assert await write(database, leases.requeue_lost, lost)
    assert await take(database, run, attempt=2) is not None
    before = await load(database, ada, run)
    with pytest.raises(LeaseLostError):
        await write(database, function, run.id, late, *args)
    after = await load(database, ada, run)
    assert {c.key: getattr(after, c.key) for c in Run.__table__.c} == {
        c.key: getattr(before, c.key) for c in Run.__table__.c
    }
    assert after.metrics == []


async def test_a_lost_run_is_queued_again_by_one_reaper_only(database: Database, ada: User, run: Run) -> None:
    await hold(database, run, seconds=-1)
    (lost,) = await write(database, leases.list_lost)
    taken = await asyncio.gather(*(write(database, leases.requeue_lost, lost) for _ in range(4)))
    assert sorted(taken) == [False, False, False, True]
    again = await load(database, ada, run)
    assert (again.status, again.attempt) == ("queued", 2)
    assert [waiting.run_id for waiting in await write(database, list_in_turn)] == [run.id]


async def test_a_worker_that_renews_just_in_time_keeps_its_run(database: Database, ada: User, run: Run) -> None:
    token = await hold(database, run, seconds=-1)
    (lost,) = await write(database, leases.list_lost)
    await write(database, leases.renew_lease, run.id, token, 10)
    assert not await write(database, leases.requeue_lost, lost)
    assert not await write(database, leases.end_lost, lost, None)
    assert (await load(database, ada, run)).lease_token == token


async def test_a_lost_run_can_be_ended(database: Database, ada: User, run: Run) -> None:
    await hold(database, run, seconds=-1)
    (lost,) = await write(database, leases.list_lost)
    assert await write(database, leases.end_lost, lost, Failed(code="worker_lost", message=say("Lost.")))
    ended = await load(database, ada, run)
    assert (ended.status, ended.failure_code, ended.failure) == ("failed", "worker_lost", say("Lost."))


async def test_a_released_run_waits_again_as_the_same_attempt(database: Database, ada: User, run: Run) -> None:
    token = await hold(database, run)
    await write(database, leases.release, run.id, token)
    waiting = await load(database, ada, run)
    assert (waiting.status, waiting.attempt, waiting.lease_token) == ("queued", 1, None)
