"""Tasks: of many takers one wins, a lost lease can change nothing, and of one subject one task is active."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from scv.db import datasets, tasks
from scv.db.base import now
from scv.db.engine import Database
from scv.db.leases import LeaseLostError
from scv.db.models import delete_model
from scv.db.runs import request_report
from scv.db.tables import DatasetVersion, Task, User
from scv.errors import ConflictError, NotFoundError
from scv.message import say
from scv.stage import Stage
from tests.db.conftest import add_model, add_run, add_user

LOADING = Stage(say("Downloading {dataset}", dataset="SVHN"), 10, 40)


@pytest.fixture
async def ada(database: Database) -> User:
    return await add_user(database)


async def request(database: Database, user: User, subject: str = "svhn", kind: str = "prepare") -> Task:
    async with database.writing() as session:
        return await tasks.request(session, kind, subject, user_id=user.id, title=subject.upper())


async def take(database: Database, kinds: tuple[str, ...] = ("prepare",), seconds: float = 10) -> Task | None:
    async with database.writing() as session:
        return await tasks.take(session, kinds, seconds)


async def hold(database: Database, seconds: float = 10) -> tuple[Task, str]:
    task = await take(database, seconds=seconds)
    assert task is not None
    assert task.lease_token is not None
    return task, task.lease_token


async def write(database: Database, function: Any, *args: Any) -> Any:
    async with database.writing() as session:
        return await function(session, *args)


async def load(database: Database, task: Task) -> Task:
    async with database.reading() as session:
        return await session.get_one(Task, task.id)


async def test_of_fifty_takers_one_gets_the_task(database: Database, ada: User) -> None:
    task = await request(database, ada)
    taken = [taken for taken in await asyncio.gather(*(take(database) for _ in range(50))) if taken is not None]
    assert [one.id for one in taken] == [task.id]
    assert (await load(database, task)).lease_token == taken[0].lease_token


async def test_fifty_takers_share_what_waits_and_nobody_gets_what_another_has(database: Database, ada: User) -> None:
    wanted = {(await request(database, ada, f"d{number}")).id for number in range(20)}
    taken = [taken for taken in await asyncio.gather(*(take(database) for _ in range(50))) if taken is not None]
    assert sorted(task.id for task in taken) == sorted(wanted)


async def test_fifty_requests_for_one_subject_make_one_task(database: Database, ada: User) -> None:
    made = await asyncio.gather(*(request(database, ada) for _ in range(50)))
    assert len({task.id for task in made}) == 1
    async with database.reading() as session:
        assert len((await session.scalars(select(Task))).all()) == 1


async def test_the_one_that_has_waited_longest_is_taken_and_only_of_the_kinds_that_may_begin(
    database: Database, ada: User
) -> None:
    await request(database, ada, "7", "report")
    first, second = await request(database, ada, "mnist"), await request(database, ada, "svhn")
    taken = [await take(database) for _ in range(3)]
    assert [task.id if task else None for task in taken] == [first.id, second.id, None]
    async with database.reading() as session:
        assert not await tasks.is_any_waiting(session, ("prepare", "version"))
        assert await tasks.is_any_waiting(session, ("report",))


async def test_a_new_request_takes_the_place_of_the_task_that_ended(database: Database, ada: User) -> None:
    first = await request(database, ada)
    _, token = await hold(database)
    assert (await request(database, ada)).id == first.id
    await write(database, tasks.end, first.id, token, "failed", say("The disk is full."))
    failed = await load(database, first)
    assert (failed.state, str(failed.failure), failed.active) == ("failed", "The disk is full.", False)
    again = await request(database, ada)
    assert again.id > first.id
    assert (again.state, again.attempt, again.failure) == ("queued", 1, None)
    async with database.reading() as session:
        assert (await tasks.find_all(session, "prepare", ["svhn", "mnist"])).keys() == {"svhn"}


async def test_how_far_a_task_is_stands_in_its_row_while_it_runs(database: Database, ada: User) -> None:
    task = await request(database, ada)
    _, token = await hold(database)
    assert await write(database, tasks.renew, task.id, token, 10, LOADING, 0.25, 30.0) is False
    row = await load(database, task)
    assert (row.state, row.current_stage, row.fraction, row.estimate) == ("running", LOADING, 0.25, 30.0)
    await write(database, tasks.end, task.id, token, "done")
    row = await load(database, task)
    assert (row.state, row.current_stage, row.fraction, row.estimate) == ("done", None, None, None)
    assert row.ended_at is not None


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (tasks.renew, (10, LOADING, 0.5, None)),
        (tasks.end, ("done",)),
        (tasks.end, ("failed", say("No."))),
        (tasks.release, ()),
        (tasks.requeue, (3,)),
    ],
)
async def test_a_lost_lease_can_change_nothing(
    database: Database, ada: User, function: Any, args: tuple[Any, ...]
) -> None:
    task = await request(database, ada)
    held, old = await hold(database, seconds=-1)
    await write(database, tasks.requeue_lost, held)
    _, token = await hold(database)
    before = await load(database, task)
    with pytest.raises(LeaseLostError):
        await write(database, function, task.id, old, *args)
    after = await load(database, task)
    assert (after.state, after.lease_token, after.lease_until) == ("running", token, before.lease_until)
    assert (after.attempt, after.stage) == (2, None)


async def test_a_task_that_its_worker_gives_back_waits_without_blame(database: Database, ada: User) -> None:
    task = await request(database, ada)
    _, token = await hold(database)
    await write(database, tasks.release, task.id, token)
    waiting = await load(database, task)
    assert (waiting.state, waiting.attempt, waiting.lease_token) == ("queued", 1, None)
    _, token = await hold(database)
    await write(database, tasks.requeue, task.id, token, 2)
    assert (await load(database, task)).attempt == 2


async def test_only_what_lost_its_worker_counts_as_lost(database: Database, ada: User) -> None:
    await request(database, ada, "mnist")
    await request(database, ada, "svhn")
    lost, token = await hold(database, seconds=-1)
    await hold(database, seconds=60)
    async with database.reading() as session:
        (found,) = await tasks.list_lost(session)
    assert found.id == lost.id
    await write(database, tasks.renew, lost.id, token, 60)  # it was only slow
    for function, args in ((tasks.requeue_lost, ()), (tasks.end_lost, ("stopped",))):
        with pytest.raises(LeaseLostError):
            await write(database, function, found, *args)
    assert (await load(database, lost)).lease_token == token


async def test_of_fifty_that_take_care_of_a_lost_task_one_does(database: Database, ada: User) -> None:
    await request(database, ada)
    task, _ = await hold(database, seconds=-1)

    async def requeue() -> bool:
        try:
            await write(database, tasks.requeue_lost, task)
        except LeaseLostError:
            return False
        return True

    assert sum(await asyncio.gather(*(requeue() for _ in range(50)))) == 1
    assert (await load(database, task)).attempt == 2


async def test_what_waits_stops_at_once_and_what_runs_when_its_worker_sees_to_it(database: Database, ada: User) -> None:
    task = await request(database, ada)
    assert await write(database, tasks.request_stop, task)
    assert (await load(database, task)).state == "stopped"
    assert not await write(database, tasks.request_stop, task)

    task = await request(database, ada)
    _, token = await hold(database)
    assert not await write(database, tasks.request_stop, task)
    assert (await load(database, task)).state == "running"
    assert await write(database, tasks.renew, task.id, token, 10) is True


async def test_a_stop_and_fifty_takers_never_leave_a_task_between(database: Database, ada: User) -> None:
    task = await request(database, ada)
    stopped, *taken = await asyncio.gather(
        write(database, tasks.request_stop, task), *(take(database) for _ in range(50))
    )
    row = await load(database, task)
    if stopped:
        assert (row.state, set(taken)) == ("stopped", {None})
    else:
        assert (row.state, row.stop_requested) == ("running", True)


async def test_a_user_sees_their_own_tasks_with_what_runs_on_top(database: Database, ada: User) -> None:
    eve = await add_user(database, "Eve")
    ended = await request(database, ada, "cifar10")
    await write(database, tasks.request_stop, ended)
    running, waiting, later = [await request(database, ada, name) for name in ("mnist", "svhn", "emnist")]
    hers = await request(database, eve, "fashion-mnist")
    await hold(database)
    async with database.reading() as session:
        listed = await tasks.list_owned_tasks(session, ada, 10)
        assert [task.id for task in listed] == [running.id, later.id, waiting.id, ended.id]
        assert (await tasks.get_owned_task(session, eve, hers.id)).id == hers.id
        with pytest.raises(NotFoundError):
            await tasks.get_owned_task(session, ada, hers.id)


async def test_the_tasks_of_what_is_deleted_go_with_it(database: Database, ada: User) -> None:
    model = await add_model(database, ada)
    run = await add_run(database, model.versions[0])
    report = await write(database, request_report, run.id)
    assert (report.kind, report.subject, report.user_id, report.title) == ("report", str(run.id), ada.id, "First")
    await write(database, delete_model, ada, model.id)
    async with database.writing() as session:
        dataset = await datasets.create_dataset(session, ada, "Pets")
        await datasets.begin_version(session, await datasets.get_editable_dataset(session, ada, dataset.id), "{}")
    async with database.writing() as session:
        await datasets.delete_dataset(session, await datasets.get_editable_dataset(session, ada, dataset.id))
    await request(database, ada)
    await write(database, lambda session: session.execute(delete(User)))
    async with database.reading() as session:
        assert (await session.scalars(select(Task))).all() == []
    with pytest.raises(NotFoundError):
        await write(database, request_report, run.id)


async def test_a_version_begins_with_its_task_and_stops_with_it(database: Database, ada: User) -> None:
    async with database.writing() as session:
        dataset = await datasets.create_dataset(session, ada, "Pets")
        dataset = await datasets.get_editable_dataset(session, ada, dataset.id)
        version = await datasets.begin_version(session, dataset, '{"draft": true}')
    async with database.writing() as session:
        task = await tasks.find(session, "version", version.name)
        assert task is not None
        assert (task.state, task.user_id, task.title, task.arguments) == ("queued", ada.id, "Pets", '{"draft": true}')
        loaded = await datasets.version_to_make(session, version.name)
        assert loaded is not None
        await datasets.stop_version(session, loaded)
    stopped = await load(database, task)
    assert stopped.state == "stopped"

    # It can be tried again while nothing else was done to the dataset, and only once.
    again = await write(database, datasets.begin_version_again, ada, stopped)
    assert (again.number, again.changes) == (2, '{"draft": true}')
    with pytest.raises(ConflictError):
        await write(database, datasets.begin_version_again, ada, stopped)
    async with database.reading() as session:
        rows = (await session.scalars(select(Task))).all()
        assert [(row.subject, row.title, row.state) for row in rows] == [(again.name, "Pets (2)", "queued")]
        assert (await session.scalars(select(DatasetVersion.name))).all() == [again.name]


async def test_the_database_itself_refuses_a_second_active_task(database: Database, ada: User) -> None:
    task = await request(database, ada)
    moment = now() - timedelta(days=1)
    async with database.writing() as session:
        values = {"kind": "prepare", "subject": "svhn", "title": "", "user_id": ada.id, "created_at": moment}
        session.add(Task(**values, state="done"))
    with pytest.raises(Exception, match=r"(?i)unique"):
        await write(database, lambda session: session.execute(update(Task).values(state="running")))
    assert (await load(database, task)).state == "queued"
