"""A run's pages and its event stream, on a real broker and a real server."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import msgspec
import pytest
import uvicorn
from litestar import Litestar

from scv.db.base import now
from scv.db.tables import EpochMetric, Run
from scv.jobs.broker import Broker
from scv.jobs.events import Queued, Retrying
from scv.message import say
from scv.settings import Settings
from scv.training.progress import EpochMetrics, Paused, Progress, Result, Started, Stopped
from scv.training.progress import Testing as Measuring
from scv.web.runs.live import fold, live_run
from tests.web.conftest import Visitor, add_run, add_version

STARTED = Started(
    device="cpu", parameters=9, epochs=3, steps_per_epoch=2, train_images=10, validation_images=2, test_images=3
)


def progress(epoch: int, done: float) -> Progress:
    return Progress(
        epoch=epoch,
        step=1,
        steps=2,
        train_loss=1.5,
        train_accuracy=0.625,
        images_per_second=1234,
        seconds_left=75,
        done=done,
    )


def metrics(epoch: int, best: bool = True) -> EpochMetrics:
    return EpochMetrics(
        epoch=epoch,
        train_loss=1.0,
        train_accuracy=0.5,
        validation_loss=0.9,
        validation_accuracy=0.75,
        seconds=2.0,
        best=best,
    )


def waiting(run_id: int = 7) -> Run:
    return Run(id=run_id, status="queued", metrics=[], stop_requested=False)


def test_a_run_is_the_sum_of_its_events() -> None:
    live = live_run(waiting(), 3)
    for event in (Queued(attempt=1), STARTED, progress(1, 0.2), metrics(1), progress(2, 0.5), metrics(2, best=False)):
        live = fold(live, event)
    assert (str(live.stage), live.percent, live.best, [m.epoch for m in live.metrics]) == (
        "Training on cpu",
        50,
        1,
        [1, 2],
    )
    assert str(fold(live, Measuring(best_epoch=1)).stage) == "Testing the weights of epoch 1"
    assert "attempt 2" in str(fold(live, Retrying(attempt=2, reason="child_died")).stage)
    assert fold(live, Stopped(epochs=1)).ended


def test_an_epoch_that_is_repeated_after_an_interruption_counts_once() -> None:
    live = live_run(waiting(), 3)
    for event in (metrics(1), metrics(2), metrics(2), metrics(1)):
        live = fold(live, event)
    assert [metric.epoch for metric in live.metrics] == [1, 2]


@pytest.fixture
async def served(wired: Litestar, settings: Settings) -> AsyncIterator[Visitor]:
    """A signed-in visitor of a real server with a real broker: endless answers hang the test client."""
    (settings.data_dir / "logs").mkdir()
    async with Broker(settings.data_dir, settings.data_dir / "logs" / "broker.log") as broker:
        wired.state.settings = replace(settings, redis_url=broker.url)
        server = uvicorn.Server(uvicorn.Config(wired, log_level="error", timeout_graceful_shutdown=1, ws="none"))
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            task = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            base = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with httpx.AsyncClient(base_url=base, follow_redirects=True) as client:
                visitor = Visitor(client, wired.state.services)
                await visitor.sign_in()
                yield visitor
            server.should_exit = True
            await task


async def messages(visitor: Visitor, path: str, last_event_id: str = "") -> AsyncIterator[dict[str, str]]:
    """The stream's messages as a browser reads them."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    async with visitor.client.stream("GET", path, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = fields.get(name, "") + value
            elif fields:
                yield fields
                fields = {}


async def test_the_stream_tells_everything_until_the_end(served: Visitor) -> None:
    run = await add_run(served, await add_version(served), status="running", started_at=now())
    for event in (Queued(attempt=1), STARTED, progress(1, 0.2), metrics(1)):
        await served.services.queue.publish(run.id, event)
    stream = messages(served, f"/runs/{run.id}/events")
    async for message in stream:
        if "75.0%" in message["data"]:
            break
    await served.services.queue.publish(run.id, progress(2, 0.4))
    async for message in stream:
        if "40%" in message["data"]:
            assert "1 min 15 s" in message["data"]
            break
    await served.services.queue.publish(run.id, Stopped(epochs=1))
    assert [message["event"] async for message in stream][-1] == "ended"


async def test_a_reconnecting_browser_misses_nothing_and_hears_nothing_twice(served: Visitor) -> None:
    run = await add_run(served, await add_version(served), status="running", started_at=now())
    for event in (STARTED, progress(1, 0.2), metrics(1)):
        await served.services.queue.publish(run.id, event)
    seen = ""
    async for message in messages(served, f"/runs/{run.id}/events?view=foot"):
        seen = message["id"]
        if "20%" in message["data"]:
            break
    await served.services.queue.publish(run.id, progress(2, 0.6))
    async for message in messages(served, f"/runs/{run.id}/events", seen):
        assert "60%" in message["data"]
        assert "75.0%" in message["data"]
        break


async def test_the_database_has_the_last_word_where_the_stream_is_lost(
    served: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scv.web.runs.events.QUIET", 0.1)
    monkeypatch.setattr("scv.web.runs.events.TICK", 0.05)
    run = await add_run(served, await add_version(served), status="running", started_at=now())
    await served.services.queue.publish(run.id, STARTED)
    stream = messages(served, f"/runs/{run.id}/events")
    async for message in stream:
        assert "Training on cpu" in message["data"]
        break
    async with served.database.writing() as session:
        (await session.get_one(Run, run.id)).status = "finished"
    assert [message.get("event") async for message in stream][-2:] == ["progress", "ended"]


async def test_the_stream_ends_with_a_pause_and_tells_on_after_it(served: Visitor) -> None:
    run = await add_run(served, await add_version(served), paused=True)
    for event in (Queued(attempt=1), STARTED, progress(1, 0.2), metrics(1), Paused(epochs=1)):
        await served.services.queue.publish(run.id, event)
    told = [message async for message in messages(served, f"/runs/{run.id}/events")]
    assert told[-1]["event"] == "ended"
    assert "Paused" in told[-2]["data"]

    async with served.database.writing() as session:
        (await session.get_one(Run, run.id)).paused = False
    # Also where the news of it were lost with the broker.
    stream = messages(served, f"/runs/{run.id}/events")
    async for message in stream:
        if "Position 1 in the queue" in message["data"]:
            break
    for event in (STARTED, progress(2, 0.4)):
        await served.services.queue.publish(run.id, event)
    async for message in stream:
        if "40%" in message["data"]:
            assert "Position 1" not in message["data"]
            break
    await served.services.queue.publish(run.id, Stopped(epochs=2))
    assert [message["event"] async for message in stream][-1] == "ended"


async def test_a_strange_last_event_id_does_no_harm(served: Visitor) -> None:
    run = await add_run(served, await add_version(served), status="stopped")
    for strange in ("x", "-", "9" * 400, "1-1-1"):
        found = [message["event"] async for message in messages(served, f"/runs/{run.id}/events", strange)]
        assert found == ["progress", "ended"]


async def test_stopping_a_waiting_run_ends_it_at_once(served: Visitor) -> None:
    run = await add_run(served, await add_version(served))
    answer = await served.post(f"/runs/{run.id}/stop", {})
    assert answer.url.path == f"/runs/{run.id}"
    assert "It was stopped early" in answer.text


async def test_stopping_a_running_run_asks_its_worker(owner: Visitor) -> None:
    run = await add_run(owner, await add_version(owner), status="running", started_at=now())
    answer = await owner.post(f"/runs/{run.id}/stop", {}, htmx=True)
    assert "Stopping …" in answer.text
    assert "Training" in (await owner.get(f"/runs/{run.id}")).text


async def test_a_finished_run_shows_its_accuracy_and_where_it_came_from(owner: Visitor) -> None:
    result = Result(
        test_accuracy=0.9746,
        test_loss=0.084,
        epochs=3,
        best_epoch=2,
        validation_accuracy=0.99,
        seconds=75.0,
        parameters=1610,
        device="cpu",
        dataset_hash="sha256:" + "a" * 64,
        libraries={"torch": "2.13.0"},
        weights="",
    )
    run = await add_run(
        owner,
        await add_version(owner),
        status="finished",
        started_at=now(),
        device=result.device,
        test_accuracy=result.test_accuracy,
        test_loss=result.test_loss,
        best_epoch=2,
        seconds=result.seconds,
        parameters=result.parameters,
        dataset_hash=result.dataset_hash,
        libraries=result.libraries,
    )
    async with owner.database.writing() as session:
        for epoch in (1, 2, 3):
            session.add(
                EpochMetric(
                    run_id=run.id,
                    epoch=epoch,
                    train_loss=1.0,
                    train_accuracy=0.5,
                    validation_loss=0.9,
                    validation_accuracy=0.75,
                    seconds=2.0,
                    best=epoch < 3,
                )
            )
    page = (await owner.get(f"/runs/{run.id}")).text
    for text in (
        "97.46%",
        "1 min 15 s",
        "1,610",
        "2.13.0",
        "sha256:aaaaaaaaaaaa",
        "2 of 3",
        "Measured once, on all 355",
    ):
        assert text in page
    assert "sse-connect" not in page
    assert page.count('class="best"') == 1
    for term in ("Loss", "Best epoch", "Validation images", "Seed", "Parameters"):
        assert re.search(rf"<dt>{term}</dt><dd>[^<]{{20,}}</dd>", page), f"a sentence says what {term} means"


async def test_a_running_run_says_where_it_runs_and_its_end_is_said_once(owner: Visitor) -> None:
    run = await add_run(owner, await add_version(owner), status="running")
    page = (await owner.get(f"/runs/{run.id}")).text
    assert "<dt>Started</dt>" not in page
    assert "<noscript>" in page
    assert "aria-live" not in page
    async with owner.database.writing() as session:
        row = await session.get_one(Run, run.id)
        row.device, row.started_at = "cpu", now()
    page = (await owner.get(f"/runs/{run.id}")).text
    assert "Training on cpu" in page
    assert "<dt>Started</dt>" in page
    async with owner.database.writing() as session:
        row = await session.get_one(Run, run.id)
        row.status = "stopped"
    ended = (await owner.get(f"/runs/{run.id}", target="run")).text
    assert '<p id="run-status" hx-swap-oob="innerHTML">Stopped</p>' in ended
    assert "<html" not in ended


async def test_a_failed_run_says_why(owner: Visitor) -> None:
    inner = say("{type} has no branches.", type="ReLU")
    outer = say("Block {block} ({type}): {message}", block="relu1", type="ReLU", message=inner)
    message = msgspec.json.encode(outer).decode()
    run = await add_run(
        owner, await add_version(owner), status="failed", failure_code="invalid_document", failure_message=message
    )
    await owner.post("/language", {"language": "ko"})
    assert "블록 relu1(ReLU): ReLU 블록에는 가지가 없습니다." in (await owner.get(f"/runs/{run.id}")).text


async def test_weights_are_a_download_where_there_are_any(owner: Visitor) -> None:
    version = await add_version(owner)
    without = await add_run(owner, version, status="stopped")
    assert (await owner.get(f"/runs/{without.id}/weights.safetensors")).status_code == 404
    run = await add_run(owner, version, status="finished", test_accuracy=0.9, weights="runs/2/weights.safetensors")
    files = owner.services.files
    (files.folder("runs/2") / "weights.safetensors").write_bytes(b"weights")
    answer = await owner.get(f"/runs/{run.id}/weights.safetensors")
    assert answer.content == b"weights"
    assert 'filename="digit-reader-run-2.safetensors"' in answer.headers["content-disposition"]


async def test_a_runs_script_is_that_of_its_snapshot(owner: Visitor) -> None:
    version = await add_version(owner)
    run = await add_run(owner, version)
    await owner.operate(version, operation={"op": "remove", "block": "relu1"})
    assert "nn.ReLU" in (await owner.get(f"/runs/{run.id}/script.py")).text
