"""The owner's page: the workers, what they train, what waits, and the buttons that stop it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from scv.db.base import now
from scv.db.tables import EpochMetric, Run, User
from scv.jobs.broker import Broker
from scv.jobs.presence import Seat, announce_for_ever, look
from scv.jobs.queue import Queue
from scv.settings import Settings
from tests.jobs.conftest import until
from tests.migrated import place_database
from tests.web.conftest import Visitor, add_run, add_version, sign_in_as_somebody


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with Broker(tmp_path, tmp_path / "logs" / "broker.log") as broker:
        yield broker


@pytest.fixture
async def settings(tmp_path: Path, broker: Broker) -> Settings:
    settings = Settings(data_dir=tmp_path, redis_url=broker.url).resolved()
    await place_database(settings)
    return settings


async def add_user(visitor: Visitor, name: str = "Eve") -> User:
    async with visitor.database.writing() as session:
        user = User(name=name)
        session.add(user)
    return user


@asynccontextmanager
async def announced(settings: Settings, run_id: int | None) -> AsyncIterator[None]:
    """This process as a worker that trains the run."""
    since, seat = now(), Seat(device="cuda:0", run_id=run_id)
    queue = Queue.open(settings)
    task = asyncio.create_task(announce_for_ever(queue.redis, lambda: look("train", since, [seat], []), 60))

    async def is_there() -> bool:
        return bool(await queue.list_workers())

    await until(is_there)
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await queue.close()


def texts(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


async def test_the_owner_sees_which_worker_trains_what_for_whom(owner: Visitor, settings: Settings) -> None:
    eves = await add_version(owner, user=await add_user(owner), name="Eve's net")
    run = await add_run(owner, eves, status="running", device="cuda", started_at=now())
    async with owner.database.writing() as session:
        figures = {"train_loss": 1.0, "train_accuracy": 0.5, "validation_loss": 1.0, "validation_accuracy": 0.5}
        session.add(EpochMetric(run_id=run.id, epoch=1, seconds=1.0, best=True, **figures))
    async with announced(settings, run.id):
        page = (await owner.get("/workers")).text
    worker = look("train", now(), (), ())
    said = texts(page)
    assert f"{worker.host}, process {worker.pid}" in said
    assert f"cuda:0: run {run.id}" in said
    assert f"for {worker.cores} cores" in said
    assert re.search(r"\d (MB|GB)", said)
    assert f"Eve&#39;s net Eve cuda · {worker.host}, {worker.pid} 2 of 3" in said
    assert f'href="/runs/{run.id}"' not in page  # what is not his own is not shown to him
    assert 'hx-trigger="every 3s"' in page
    gone = (await owner.get("/workers")).text
    assert "No worker is running" in gone
    assert "no worker has reported it" in gone


async def test_what_waits_stands_in_the_order_of_turns_and_his_own_is_a_link(owner: Visitor) -> None:
    mine = [await add_run(owner, await add_version(owner, name=f"Mine {number}")) for number in (1, 2)]
    await add_run(owner, await add_version(owner, user=await add_user(owner), name="Theirs"))
    await add_run(owner, await add_version(owner, name="Held"), paused=True)
    page = (await owner.get("/workers")).text
    waiting = texts(page[page.index('id="waiting"') :])
    assert waiting.index("Mine 1") < waiting.index("Theirs") < waiting.index("Mine 2")
    assert "Held" not in waiting
    assert f'<a href="/runs/{mine[0].id}">Mine 1</a>' in page


async def test_only_so_many_that_wait_are_listed_and_the_others_counted(
    owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scv.web.admin.pages.SHOWN", 2)
    version = await add_version(owner)
    for _ in range(5):
        await add_run(owner, version)
    page = (await owner.get("/workers")).text
    assert page.count('id="stop-') == 2
    assert "3 more are in the queue." in page


@pytest.mark.parametrize(("status", "then"), [("queued", "stopped"), ("running", "running")])
async def test_the_owner_stops_the_run_of_another_user(owner: Visitor, status: str, then: str) -> None:
    run = await add_run(owner, await add_version(owner, user=await add_user(owner)), status=status)
    answer = await owner.post(f"/workers/runs/{run.id}/stop", {}, htmx=True)
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert ("Stopping …" in answer.text) == (status == "running")
    async with owner.database.reading() as session:
        stopped = await session.get_one(Run, run.id)
    assert (stopped.status, stopped.stop_requested) == (then, True)
    plain = await owner.post(f"/workers/runs/{run.id}/stop", {})
    assert plain.url.path == "/workers"
    assert (await owner.post(f"/workers/runs/{run.id + 1}/stop", {})).status_code == 404


async def test_without_a_broker_it_says_so_and_shows_what_the_database_knows(owner: Visitor, broker: Broker) -> None:
    run = await add_run(owner, await add_version(owner, name="Known"), status="running", device="cpu")
    await broker.stop()
    answer = await owner.get("/workers", target="workers")
    assert answer.status_code == 200
    assert "The job queue does not answer" in answer.text
    assert "Known" in answer.text
    assert "no worker has reported" not in answer.text
    await owner.post(f"/workers/runs/{run.id}/stop", {})
    async with owner.database.reading() as session:
        assert (await session.get_one(Run, run.id)).stop_requested


async def test_only_the_owner_has_the_page_in_his_menu(owner: Visitor) -> None:
    assert 'href="/workers"' in (await owner.get("/models")).text
    await sign_in_as_somebody(owner)
    assert 'href="/workers"' not in (await owner.get("/models")).text
    assert (await owner.get("/workers")).status_code == 404


async def test_the_page_renews_itself_by_a_fragment(owner: Visitor) -> None:
    fragment = (await owner.get("/workers", target="workers")).text
    assert "<html" not in fragment
    assert fragment.strip().startswith('<div id="workers"')
    assert "Nothing is being trained." in fragment
