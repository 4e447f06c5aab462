"""Files and rows of work that was going on, had been stopped or had failed when the folder was left."""

import pytest

from scv.data.official.catalogue import DATASETS
from scv.db import tasks
from scv.db.engine import Database
from scv.db.tables import Task, User
from scv.jobs.obsolete_files import replace_obsolete_files
from scv.settings import Settings
from tests.data_folder.conftest import be
from tests.data_folder.folder import SECOND
from tests.web.conftest import Visitor

OFFICIAL = ("fashion-mnist", "cifar10", "emnist-letters", "svhn")
"""What was being downloaded, waited for that, failed, or was stopped."""


async def tasks_of(database: Database, user: int) -> dict[tuple[str, str], Task]:
    async with database.reading() as session:
        found = await tasks.list_owned_tasks(session, await session.get_one(User, user), most=100)
    return {(task.kind, task.subject): task for task in found}


async def test_versions_that_were_being_made_are_tasks_that_wait(database: Database) -> None:
    (mine,) = (await tasks_of(database, 1)).items()
    (theirs,) = (await tasks_of(database, 2)).items()
    assert (mine[0], mine[1].title, mine[1].state) == (("version", "own-6-1"), "Posters", "queued")
    assert (theirs[0], theirs[1].title, theirs[1].state) == (("version", "own-2-3"), "Spots (3)", "queued")
    assert mine[1].arguments == '{"draft":true,"renamed":{},"dropped":{}}'
    assert theirs[1].arguments == '{"draft":false,"renamed":{},"dropped":{"train":[1],"test":[0]}}'


async def test_their_making_can_be_stopped_and_wanted_again(owner: Visitor) -> None:
    assert 'action="/datasets/own/6/stop"' in (await owner.get("/datasets/own/6")).text
    page = await owner.post("/datasets/own/6/stop", {})
    assert 'action="/datasets/own/6/again"' in page.text
    assert (await owner.post("/datasets/own/6/again", {})).status_code == 200
    assert (await tasks_of(owner.database, 1))["version", "own-6-2"].state == "queued"


@pytest.mark.parametrize("swept", [False, True])
async def test_no_official_dataset_seems_to_be_prepared_and_each_can_be(owner: Visitor, swept: bool) -> None:
    if swept:
        await replace_obsolete_files(owner.services.settings.data_dir, owner.database)
    for name in OFFICIAL:
        page = (await owner.get(f"/datasets/{name}")).text
        assert "<progress" not in page
        assert f'action="/datasets/{name}/samples"' in page, name
        await owner.post(f"/datasets/{name}/samples", {})
        assert (await tasks_of(owner.database, 1))["prepare", name].state == "queued"
        assert DATASETS[name].title in (await owner.get(f"/datasets/{name}")).text


async def test_reports_are_as_far_as_they_were_and_the_files_that_said_so_are_gone(
    settings: Settings, database: Database
) -> None:
    for _ in range(2):  # two workers, or one that is started again
        await replace_obsolete_files(settings.data_dir, database)
        reports = {
            int(subject): (user, task.state)
            for user in (1, 2)
            for (kind, subject), task in (await tasks_of(database, user)).items()
            if kind == "report"
        }
        assert reports == {2: (1, "stopped"), 3: (1, "failed"), 8: (2, "stopped"), 11: (1, "queued")}
    names = ("*.progress.json", "*.stop", "*.failed.json", "underway.json", "stopped", "failure.json")
    assert [path for name in names for path in settings.data_dir.rglob(name)] == []


async def test_a_stopped_report_can_be_continued_and_a_failed_one_tried_again(owner: Visitor) -> None:
    await replace_obsolete_files(owner.services.settings.data_dir, owner.database)
    stopped = (await owner.get("/runs/2/report")).text
    assert "The report was stopped" in stopped
    assert "Continue" in stopped
    failed = (await owner.get("/runs/3/report")).text
    assert "The work on the report ended unexpectedly." in failed
    assert "Try again" in failed
    for run in ("2", "3"):
        await owner.post(f"/runs/{run}/report/make", {})
        assert (await tasks_of(owner.database, 1))["report", run].state == "queued"
    be(owner, SECOND)
    assert "보고서" in (await owner.get("/runs/8/report")).text
    await owner.post("/runs/8/report/make", {})
    assert (await tasks_of(owner.database, 2))["report", "8"].state == "queued"


async def test_a_report_that_somebody_requested_before_a_worker_was_there_is_made(owner: Visitor) -> None:
    await owner.get("/runs/2/report")
    await replace_obsolete_files(owner.services.settings.data_dir, owner.database)
    assert (await tasks_of(owner.database, 1))["report", "2"].state == "queued"


async def test_damaged_files_keep_nothing_from_being_opened(settings: Settings, database: Database) -> None:
    runs = settings.data_dir / "files" / "runs"
    (runs / "3" / "report" / "failure.json").write_bytes(b'{"template": 3')
    (runs / "99" / "report").mkdir(parents=True)
    (runs / "99" / "report" / "stopped").touch()
    await replace_obsolete_files(settings.data_dir, database)
    found = await tasks_of(database, 1)
    assert ("report", "99") not in found
    assert found["report", "3"].failure is not None
