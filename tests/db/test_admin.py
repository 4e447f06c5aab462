"""What everybody trains, as the owner of the instance sees it."""

import pytest

from scv.db import admin
from scv.db.engine import Database
from scv.db.leases import take_lease
from scv.db.tables import EpochMetric, Run, User
from scv.errors import NotFoundError
from tests.db.conftest import add_model, add_run, add_user


async def ask(database: Database, user: User) -> Run:
    return await add_run(database, (await add_model(database, user)).versions[0])


async def test_the_runs_of_everybody_are_listed_with_their_names(database: Database) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    trained, first, second, other = [await ask(database, user) for user in (ada, ada, ada, eve)]
    async with database.writing() as session:
        await take_lease(session, trained.id, 1, 60)
        figures = {"train_loss": 1.0, "train_accuracy": 0.5, "validation_loss": 1.0, "validation_accuracy": 0.5}
        for epoch in (1, 2):
            session.add(EpochMetric(run_id=trained.id, epoch=epoch, seconds=1.0, best=True, **figures))
    async with database.reading() as session:
        (training,) = await admin.list_all_training(session)
        line = await admin.list_all_waiting(session, 2)
    assert (training.run.id, training.epochs) == (trained.id, 2)
    assert (training.run.version.model.name, training.run.version.model.user.name) == ("First", "Ada")
    # Eve has nothing in training, so it is her turn first.
    assert ([run.id for run in line.runs], line.total) == ([other.id, first.id], 3)
    assert second.id not in [run.id for run in line.runs]


async def test_a_run_is_found_whoever_owns_it_and_none_that_does_not_exist(database: Database) -> None:
    run = await ask(database, await add_user(database))
    async with database.reading() as session:
        assert (await admin.get_any_run(session, run.id)).id == run.id
        with pytest.raises(NotFoundError):
            await admin.get_any_run(session, run.id + 1)
