import pytest

from scv.db import leases, runs
from scv.db.engine import Database
from scv.db.models import delete_model
from scv.db.tables import Run, User
from scv.db.versions import get_editable_version, save_settings
from scv.errors import NotFoundError, RefusedError
from scv.training.settings import TrainingSettings
from tests.db.conftest import add_model, add_user


async def start_run(database: Database, user: User, model_id: int) -> Run:
    async with database.writing() as session:
        version = await get_editable_version(session, user, model_id, 1)
        return (await runs.create_runs(session, version, queued_per_user=20))[0]


async def load(database: Database, user: User, run_id: int) -> Run:
    async with database.reading() as session:
        return await runs.get_visible_run(session, user, run_id)


async def test_a_run_is_a_snapshot_of_its_version(database: Database) -> None:
    ada = await add_user(database)
    model = await add_model(database, ada)
    run = await load(database, ada, (await start_run(database, ada, model.id)).id)
    version = model.versions[0]
    assert (run.document, run.settings, run.dataset) == (version.document, version.settings, "digits")
    assert (run.status, run.active, run.attempt, run.metrics) == ("queued", True, 1, [])
    assert run.version.model.name == "First"


async def test_several_seeds_make_a_series_of_runs(database: Database) -> None:
    ada = await add_user(database)
    model = await add_model(database, ada)
    settings = TrainingSettings(seed=7, seeds=3)
    async with database.writing() as session:
        version = await get_editable_version(session, ada, model.id, 1)
        await save_settings(session, version, settings, version.revision)
    async with database.writing() as session:
        version = await get_editable_version(session, ada, model.id, 1)
        started = await runs.create_runs(session, version, queued_per_user=3)
    assert [(run.settings.seed, run.settings.seeds) for run in started] == [(7, 1), (8, 1), (9, 1)]
    middle = await load(database, ada, started[1].id)
    async with database.reading() as session:
        series = await runs.list_series(session, middle)
    assert [run.id for run in series] == [run.id for run in started]


async def test_a_series_that_is_too_long_to_wait_is_refused_as_a_whole(database: Database) -> None:
    ada = await add_user(database)
    model = await add_model(database, ada)
    settings = TrainingSettings(seeds=3)
    async with database.writing() as session:
        version = await get_editable_version(session, ada, model.id, 1)
        await save_settings(session, version, settings, version.revision)
    async with database.writing() as session:
        version = await get_editable_version(session, ada, model.id, 1)
        with pytest.raises(RefusedError, match="Choose fewer seeds"):
            await runs.create_runs(session, version, queued_per_user=2)
        assert await runs.list_runs_for_version(session, version) == []


async def test_a_stranger_finds_no_run(database: Database) -> None:
    ada, eve = await add_user(database), await add_user(database, "Eve")
    run = await start_run(database, ada, (await add_model(database, ada)).id)
    with pytest.raises(NotFoundError):
        await load(database, eve, run.id)


async def test_a_version_is_trained_once_at_a_time(database: Database) -> None:
    ada = await add_user(database)
    model = await add_model(database, ada)
    first = await start_run(database, ada, model.id)
    with pytest.raises(RefusedError):
        await start_run(database, ada, model.id)
    async with database.writing() as session:
        await runs.request_stop(session, first)
    second = await start_run(database, ada, model.id)
    async with database.reading() as session:
        listed = await runs.list_runs_for_version(session, model.versions[0])
    assert [run.id for run in listed] == [second.id, first.id]


async def test_stopping_a_waiting_run_ends_it_at_once_and_only_once(database: Database) -> None:
    ada = await add_user(database)
    run = await start_run(database, ada, (await add_model(database, ada)).id)
    async with database.writing() as session:
        assert await runs.request_stop(session, run, "weights of an earlier attempt")
        assert not await runs.request_stop(session, run)
    stopped = await load(database, ada, run.id)
    assert (stopped.status, stopped.weights) == ("stopped", "weights of an earlier attempt")
    assert stopped.ended_at is not None


async def test_stopping_a_running_one_is_left_to_its_worker(database: Database) -> None:
    ada = await add_user(database)
    run = await start_run(database, ada, (await add_model(database, ada)).id)
    async with database.writing() as session:
        leased = await leases.take_lease(session, run.id, 1, seconds=10)
        assert leased is not None
        assert not await runs.request_stop(session, run)
        control = await leases.renew_lease(session, run.id, leased.lease_token or "", seconds=10)
    assert (control.stop, control.pause) == (True, False)
    assert (await load(database, ada, run.id)).status == "running"


async def test_a_worker_whose_run_was_deleted_is_told(database: Database) -> None:
    ada = await add_user(database)
    model = await add_model(database, ada)
    run = await start_run(database, ada, model.id)
    async with database.writing() as session:
        leased = await leases.take_lease(session, run.id, 1, seconds=10)
        await delete_model(session, ada, model.id)
    assert leased is not None
    async with database.writing() as session:
        assert not await leases.run_exists(session, run.id)
        with pytest.raises(leases.LeaseLostError):
            await leases.renew_lease(session, run.id, leased.lease_token or "", seconds=10)
