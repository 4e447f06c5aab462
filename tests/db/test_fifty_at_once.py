"""Fifty at the same moment, each with a connection of their own: what may happen once happens once, on both engines."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import TypeVar

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from scv.blocks.document import Block, Document
from scv.db import clipboards, datasets, engine, leases, models, runs, scheduling, users, versions
from scv.db.engine import Database
from scv.db.tables import Dataset, DatasetVersion, Model, Run, User, Version
from scv.errors import SCVError
from scv.training.settings import TrainingSettings
from tests.db.conftest import add_model, add_run, add_user

FIFTY = 50
SETTINGS = TrainingSettings()

T = TypeVar("T")
Act = Callable[[AsyncSession, int], Awaitable[T]]
Together = Callable[[Act[T]], Awaitable[list[T | Exception]]]


@pytest.fixture
async def together(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Together[object]]:
    """Has fifty connections, all open, begin the same transaction; what each returned or raised."""
    monkeypatch.setattr(engine, "create_async_engine", partial(create_async_engine, pool_size=FIFTY))
    crowd = Database(database_url)
    try:
        async with AsyncExitStack() as stack:
            for _ in range(FIFTY):
                session = await stack.enter_async_context(crowd.reading())
                await session.execute(text("SELECT 1"))

        async def act_together(act: Act[object]) -> list[object | Exception]:
            start = asyncio.Event()

            async def one_of_them(number: int) -> object:
                await start.wait()
                async with crowd.writing() as session:
                    return await act(session, number)

            waiting = [asyncio.create_task(one_of_them(number)) for number in range(FIFTY)]
            await asyncio.sleep(0)
            start.set()
            done: list[object | Exception] = []
            for result in await asyncio.gather(*waiting, return_exceptions=True):
                if isinstance(result, BaseException) and not isinstance(result, SCVError):
                    raise result
                done.append(result)  # type: ignore[arg-type]
            return done

        yield act_together
    finally:
        await crowd.close()


def kinds(results: list[object | Exception]) -> Counter[str]:
    """How many were refused, by the name of the error; all others are "done"."""
    return Counter(type(result).__name__ if isinstance(result, Exception) else "done" for result in results)


async def add_dataset(database: Database, user: User, ready: int = 1) -> Dataset:
    """A dataset with so many versions that are ready."""
    async with database.writing() as session:
        dataset = await datasets.create_dataset(session, user, "Pets")
    for _ in range(ready):
        async with database.writing() as session:
            dataset = await datasets.lock_editable_dataset(session, user, dataset.id)
            version = await datasets.begin_version(session, dataset, "{}")
            await datasets.finish_version(session, version.name, class_names=["cat", "dog"], bytes=10)
    return dataset


async def count(database: Database, query: object) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(query)) or 0  # type: ignore[arg-type]


async def test_one_version_of_a_dataset_is_made_at_a_time(database: Database, together: Together[object]) -> None:
    user = await add_user(database)
    dataset = await add_dataset(database, user)

    async def begin(session: AsyncSession, number: int) -> object:
        mine = await datasets.lock_editable_dataset(session, user, dataset.id)
        return (await datasets.begin_version(session, mine, "{}")).number

    results = await together(begin)
    assert kinds(results) == {"done": 1, "ConflictError": FIFTY - 1}
    assert 2 in results


async def test_no_number_of_a_version_is_given_twice(database: Database, together: Together[object]) -> None:
    user = await add_user(database)
    dataset = await add_dataset(database, user, ready=0)

    async def make_and_forget(session: AsyncSession, number: int) -> object:
        mine = await datasets.lock_editable_dataset(session, user, dataset.id)
        version = await datasets.begin_version(session, mine, "{}")
        await datasets.finish_version(session, version.name)
        return version.number

    results = await together(make_and_forget)
    assert sorted(results) == list(range(1, FIFTY + 1))  # type: ignore[type-var]
    assert await count(database, DatasetVersion) == FIFTY


async def test_one_run_of_a_version_goes_on_at_a_time(database: Database, together: Together[object]) -> None:
    user = await add_user(database)
    model = await add_model(database, user)

    async def train(session: AsyncSession, number: int) -> object:
        version = await versions.get_editable_version(session, user, model.id, 1)
        return await runs.create_runs(session, version, queued_per_user=FIFTY)

    assert kinds(await together(train)) == {"done": 1, "RefusedError": FIFTY - 1}
    assert await count(database, Run) == 1


async def test_a_run_is_repeated_once_at_a_time(database: Database, together: Together[object]) -> None:
    user = await add_user(database)
    model = await add_model(database, user)
    old = await add_run(database, model.versions[0])
    async with database.writing() as session:
        await runs.request_stop(session, old)

    async def repeat(session: AsyncSession, number: int) -> object:
        run = await runs.get_visible_run(session, user, old.id)
        return await runs.repeat_run(session, run, SETTINGS, queued_per_user=FIFTY)

    assert kinds(await together(repeat)) == {"done": 1, "RefusedError": FIFTY - 1}


async def test_a_paused_run_goes_on_or_another_begins(database: Database, together: Together[object]) -> None:
    """Of one version: both would train at the same time."""
    user = await add_user(database)
    model = await add_model(database, user)
    paused = await add_run(database, model.versions[0])
    async with database.writing() as session:
        await runs.request_pause(session, paused)

    async def resume_repeat_or_train(session: AsyncSession, number: int) -> object:
        run = await runs.get_visible_run(session, user, paused.id)
        if number % 3 == 0:
            return await runs.resume_run(session, run)
        if number % 3 == 1:
            return await runs.repeat_run(session, run, SETTINGS, queued_per_user=FIFTY)
        version = await versions.get_editable_version(session, user, model.id, 1)
        return await runs.create_runs(session, version, queued_per_user=FIFTY)

    await together(resume_repeat_or_train)
    active = select(Run.id).where(Run.status == "queued", Run.paused.is_(False)).subquery()
    assert await count(database, active) == 1


async def test_nobody_has_more_runs_waiting_than_the_limit(database: Database, together: Together[object]) -> None:
    """Of fifty networks, each of which might be trained if it were alone."""
    user, limit = await add_user(database), 7
    ids = [(await add_model(database, user, name=str(number))).id for number in range(FIFTY)]

    async def train(session: AsyncSession, number: int) -> object:
        version = await versions.get_editable_version(session, user, ids[number], 1)
        return await runs.create_runs(session, version, limit)

    assert kinds(await together(train)) == {"done": limit, "RefusedError": FIFTY - limit}
    assert await count(database, Run) == limit


async def test_workers_take_turns_and_no_user_has_more_than_the_limit(
    database: Database, together: Together[object]
) -> None:
    people = [await add_user(database, name) for name in ("Ada", "Grace", "Edsger")]
    for user in people:
        for number in range(20):
            await add_run(database, (await add_model(database, user, name=str(number))).versions[0])

    async def take(session: AsyncSession, number: int) -> object:
        run = await scheduling.take_next(session, 60, running_per_user=4)
        return None if run is None else run.id

    taken = [result for result in await together(take) if result is not None]
    assert len(taken) == len(set(taken)) == 12
    async with database.reading() as session:
        owners = select(Model.user_id).join(Version).join(Run).where(Run.id.in_(taken))
        assert set(Counter(await session.scalars(owners)).values()) == {4}


async def test_one_worker_takes_the_lease(database: Database, together: Together[object]) -> None:
    run = await add_run(database, (await add_model(database, await add_user(database))).versions[0])

    async def take(session: AsyncSession, number: int) -> object:
        return await leases.take_lease(session, run.id, 1, 60)

    assert sum(result is not None for result in await together(take)) == 1


async def test_one_of_fifty_first_sign_ins_makes_the_owner(database: Database, together: Together[object]) -> None:
    tokens = []
    for _ in range(FIFTY):
        async with database.writing() as session:
            tokens.append(await users.create_signin_link(session, minutes=5))

    async def sign_in(session: AsyncSession, number: int) -> object:
        return (await users.redeem_signin_link(session, tokens[number])).id

    assert len(set(await together(sign_in))) == 1
    assert await count(database, User) == 1


async def test_a_link_signs_in_once(database: Database, together: Together[object]) -> None:
    async with database.writing() as session:
        token = await users.create_signin_link(session, minutes=5)

    async def sign_in(session: AsyncSession, number: int) -> object:
        return await users.redeem_signin_link(session, token)

    assert kinds(await together(sign_in)) == {"done": 1, "SigninLinkRefusedError": FIFTY - 1}


async def test_one_edit_of_a_revision_is_saved(database: Database, together: Together[object]) -> None:
    user = await add_user(database)
    model = await add_model(database, user)

    async def edit(session: AsyncSession, number: int) -> object:
        version = await versions.get_editable_version(session, user, model.id, 1)
        return await versions.save_document(session, version, Document(blocks=(Block(f"by{number}", "ReLU"),)), 0)

    assert kinds(await together(edit)) == {"done": 1, "ConflictError": FIFTY - 1}


async def test_fifty_first_copies_leave_one_clipboard(database: Database, together: Together[object]) -> None:
    user = await add_user(database)

    async def copy(session: AsyncSession, number: int) -> object:
        await clipboards.set_clipboard(session, user, (Block(f"by{number}", "ReLU"),))
        return number

    assert kinds(await together(copy)) == {"done": FIFTY}


async def test_a_dataset_is_deleted_or_learned_from(database: Database, together: Together[object]) -> None:
    """Whoever chooses it in time keeps its shape; whoever comes too late is refused: no model names what is gone."""
    user = await add_user(database)
    dataset = await add_dataset(database, user)
    ids = [(await add_model(database, user, name=str(number))).id for number in range(FIFTY)]

    async def choose_or_delete(session: AsyncSession, number: int) -> object:
        if number == FIFTY // 2:
            mine = await datasets.lock_editable_dataset(session, user, dataset.id)
            return await datasets.delete_dataset(session, mine)
        return await models.choose_dataset(session, user, ids[number], f"own-{dataset.id}-1")

    assert set(kinds(await together(choose_or_delete))) <= {"done", "RefusedError"}
    async with database.reading() as session:
        chosen = set(await session.scalars(select(Model.dataset).where(Model.dataset.startswith("own-"))))
        assert chosen <= set(await session.scalars(select(DatasetVersion.name)))


async def test_an_older_version_is_deleted_or_learned_from(database: Database, together: Together[object]) -> None:
    user = await add_user(database)
    dataset = await add_dataset(database, user, ready=2)

    async def create_or_delete(session: AsyncSession, number: int) -> object:
        if number == FIFTY // 2:
            mine = await datasets.lock_editable_dataset(session, user, dataset.id)
            return await datasets.delete_version(session, mine, 1)
        name = f"own-{dataset.id}-1"
        return await models.create_model(session, user, str(number), name, Document(), TrainingSettings())

    assert set(kinds(await together(create_or_delete))) <= {"done", "RefusedError"}
    async with database.reading() as session:
        chosen = set(await session.scalars(select(Model.dataset)))
        assert chosen <= set(await session.scalars(select(DatasetVersion.name)))


async def test_a_model_is_deleted_amid_edits_runs_and_workers(database: Database, together: Together[object]) -> None:
    """All that goes on with it, in every order: nobody waits in a circle, and nothing of it is left."""
    user = await add_user(database)
    model = await add_model(database, user)
    run = await add_run(database, model.versions[0])

    async def anything(session: AsyncSession, number: int) -> object:
        match number % 6:
            case 0:
                return await models.delete_model(session, user, model.id)
            case 1:
                version = await versions.get_editable_version(session, user, model.id, 1)
                return await versions.save_document(session, version, Document(), version.revision)
            case 2:
                version = await versions.get_editable_version(session, user, model.id, 1)
                return await runs.create_runs(session, version, queued_per_user=FIFTY)
            case 3:
                return await scheduling.take_next(session, 60, running_per_user=FIFTY)
            case 4:
                return await runs.request_stop(session, await runs.get_visible_run(session, user, run.id))
            case _:
                return await models.rename_model(session, user, model.id, f"Net {number}")

    assert "ConflictError" not in kinds(await together(anything))
    assert await count(database, Run) == await count(database, Version) == await count(database, Model) == 0
