"""What everybody trains, in the eyes of the owner and of nobody else."""

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from scv.db import admin
from scv.db.engine import Database
from scv.db.leases import take_lease
from scv.db.tables import EpochMetric, Run, User
from scv.errors import NotFoundError
from tests.db.conftest import add_model, add_run, add_user


async def add_owner(database: Database) -> User:
    async with database.writing() as session:
        owner = User(name="Owner", role="owner")
        session.add(owner)
    return owner


async def ask(database: Database, user: User) -> Run:
    return await add_run(database, (await add_model(database, user)).versions[0])


async def test_the_owner_sees_everybodys_runs_with_their_names(database: Database) -> None:
    owner, ada, eve = await add_owner(database), await add_user(database), await add_user(database, "Eve")
    trained, first, second, other = [await ask(database, user) for user in (ada, ada, ada, eve)]
    async with database.writing() as session:
        await take_lease(session, trained.id, 1, 60)
        figures = {"train_loss": 1.0, "train_accuracy": 0.5, "validation_loss": 1.0, "validation_accuracy": 0.5}
        for epoch in (1, 2):
            session.add(EpochMetric(run_id=trained.id, epoch=epoch, seconds=1.0, best=True, **figures))
    async with database.reading() as session:
        (training,) = await admin.list_all_training(session, owner)
        line = await admin.list_all_waiting(session, owner, 2)
    assert (training.run.id, training.epochs) == (trained.id, 2)
    assert (training.run.version.model.name, training.run.version.model.user.name) == ("First", "Ada")
    # Eve has nothing in training, so it is her turn first.
    assert ([run.id for run in line.runs], line.total) == ([other.id, first.id], 3)
    assert second.id not in [run.id for run in line.runs]


async def test_nobody_else_sees_any_of_it(database: Database) -> None:
    ada = await add_user(database)
    run = await ask(database, ada)
    asked: list[Callable[[AsyncSession], Awaitable[object]]] = [
        lambda session: admin.list_all_training(session, ada),
        lambda session: admin.list_all_waiting(session, ada, 5),
        lambda session: admin.get_any_run(session, ada, run.id),
    ]
    for ask_for in asked:
        async with database.reading() as session:
            with pytest.raises(NotFoundError):
                await ask_for(session)


async def test_the_owner_gets_anybodys_run_and_none_that_is_not_there(database: Database) -> None:
    owner = await add_owner(database)
    run = await ask(database, await add_user(database))
    async with database.reading() as session:
        assert (await admin.get_any_run(session, owner, run.id)).id == run.id
        with pytest.raises(NotFoundError):
            await admin.get_any_run(session, owner, run.id + 1)
