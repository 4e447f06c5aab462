"""Real workers and the broker's old file: what was going on, or waited, goes on, and there can be more."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import msgspec
import pytest
from sqlalchemy import select

from scv.data.resident import open_resident
from scv.db.migrate import migrate
from scv.db.tables import DatasetVersion, EpochMetric, Run, Version
from scv.jobs.broker import Broker
from scv.report.contents import CONTENTS, Contents
from scv.settings import Settings
from tests.jobs.conftest import StartWorker, until, until_task_ended
from tests.jobs.serving import free_port
from tests.web.conftest import Visitor

PAUSED, CUT_OFF, WAITING, PAUSED_BEFORE = 4, 12, 13, 14
"""Runs. The first two would go on for hundreds of epochs: they are stopped when they have gone on for a while."""

SECONDS = 400
"""After so long the test has failed."""

Epochs = list[tuple[int, float]]
"""Numbers from 1, and training losses."""


@pytest.fixture
async def broker(unpacked: Settings) -> AsyncIterator[Broker]:
    """It finds the jobs that were in its queues."""
    async with Broker(unpacked.data_dir, unpacked.data_dir / "logs" / "broker.log") as broker:
        yield broker


@pytest.fixture
async def settings(unpacked: Settings, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")  # nothing is downloaded
    settings = replace(unpacked, redis_url=broker.url, lease_seconds=60)  # a busy machine loses no worker
    await migrate(settings)
    return settings


async def run_of(owner: Visitor, number: int) -> Run:
    async with owner.database.reading() as session:
        return await session.get_one(Run, number)


async def epochs_of(owner: Visitor, number: int) -> Epochs:
    async with owner.database.reading() as session:
        query = select(EpochMetric).where(EpochMetric.run_id == number).order_by(EpochMetric.epoch)
        return [(one.epoch, one.train_loss) for one in await session.scalars(query)]


def has_ended(owner: Visitor, number: int) -> Callable[[], Awaitable[bool]]:
    async def ended() -> bool:
        return not (await run_of(owner, number)).active

    return ended


async def until_finished(owner: Visitor, number: int) -> Run:
    """Wait for the end of a run, and see that every epoch was trained once."""
    await until(has_ended(owner, number), SECONDS)
    run = await run_of(owner, number)
    assert run.status == "finished", run.failure
    assert [epoch for epoch, _ in await epochs_of(owner, number)] == list(range(1, run.settings.epochs + 1))
    assert run.test_accuracy is not None
    return run


async def goes_on_and_is_stopped(owner: Visitor, number: int, before: Epochs) -> Run:
    """Wait until two more epochs were trained than before, which stay as they are, and stop the run."""

    async def gone_on() -> bool:
        return len(await epochs_of(owner, number)) >= len(before) + 2

    await until(gone_on, SECONDS)
    assert (await run_of(owner, number)).status == "running"
    await owner.post(f"/runs/{number}/stop", {})
    await until(has_ended(owner, number), SECONDS)
    after = await epochs_of(owner, number)
    assert after[: len(before)] == before, "it went on from its checkpoint"
    assert [epoch for epoch, _ in after] == list(range(1, len(after) + 1))
    run = await run_of(owner, number)
    assert (run.status, run.weights) == ("stopped", f"runs/{number}/weights.safetensors")
    return run


async def version_of(owner: Visitor, name: str) -> DatasetVersion:
    async with owner.database.reading() as session:
        found = await session.scalar(select(DatasetVersion).where(DatasetVersion.name == name))
    assert found is not None
    return found


async def test_what_was_trained_goes_on_and_a_new_training_can_be_started(
    owner: Visitor, start_worker: StartWorker
) -> None:
    before = {number: await epochs_of(owner, number) for number in (PAUSED, CUT_OFF)}
    assert (await run_of(owner, PAUSED)).held
    await start_worker()
    assert (await goes_on_and_is_stopped(owner, CUT_OFF, before[CUT_OFF])).attempt == 2
    assert (await until_finished(owner, WAITING)).attempt == 1
    for number in (PAUSED, PAUSED_BEFORE):
        assert (await owner.post(f"/runs/{number}/resume", {})).status_code == 200
    await goes_on_and_is_stopped(owner, PAUSED, before[PAUSED])
    await until_finished(owner, PAUSED_BEFORE)

    assert (await owner.post("/models/3/dataset", {"dataset": "own-1-2"})).status_code == 200
    async with owner.database.reading() as session:
        revision = (await session.get_one(Version, 3)).revision
    page = await owner.post("/models/3/versions/1/runs", {"revision": revision, "setting:epochs": 1})
    started = await until_finished(owner, int(page.url.path.rpartition("/")[2]))
    assert (started.id, started.dataset) == (17, "own-1-2")


async def test_the_versions_and_the_report_that_were_being_made_are_made(
    owner: Visitor, start_worker: StartWorker
) -> None:
    await start_worker(queue="interactive")
    folder = owner.services.settings.data_dir
    task = await until_task_ended(owner.database, "version", "own-6-1", SECONDS)
    assert (task.state, task.failure) == ("done", None)
    posters = await version_of(owner, "own-6-1")
    assert (posters.status, posters.class_names) == ("ready", ["small", "tall"])
    assert open_resident(folder, "own-6-1").hash == posters.hash
    assert (await owner.get("/datasets/own/6/versions/1")).status_code == 200

    task = await until_task_ended(owner.database, "version", "own-2-3", SECONDS)
    assert (task.state, task.failure) == ("done", None)
    before, after = await version_of(owner, "own-2-2"), await version_of(owner, "own-2-3")
    assert (after.status, after.class_names) == ("ready", before.class_names)
    assert (sum(after.train) + sum(after.validation), sum(after.test)) == (23, 3)

    task = await until_task_ended(owner.database, "report", "11", SECONDS)
    assert (task.state, task.failure) == ("done", None)
    report = folder / "files" / "runs" / "11" / "report"
    contents = msgspec.json.decode((report / CONTENTS).read_bytes(), type=Contents)
    assert {section.state for section in contents.sections} == {"done"}
    assert "The report is complete" in (await owner.get("/runs/11/report")).text
    assert not list((folder / "datasets").glob(".own-6-1-*")), "what the killed process left is gone"
