"""Pause, go on, stop and train again, by the plain forms of a run's page; no broker answers here."""

from typing import Any

import msgspec
import pytest

from scv.db.base import now
from scv.db.tables import Run, User
from scv.files import run_folder, unfinished_keys, weights_key
from scv.message import say
from scv.training.settings import TrainingSettings
from tests.web.conftest import Visitor, add_run, add_version

WHY = msgspec.json.encode(say("The weights grew too large.")).decode()


async def load(visitor: Visitor, run_id: int) -> Run:
    async with visitor.database.reading() as session:
        return await session.get_one(Run, run_id)


async def test_a_running_run_is_asked_to_pause_and_its_button_says_so(owner: Visitor) -> None:
    run = await add_run(owner, await add_version(owner), status="running", started_at=now())
    answer = await owner.post(f"/runs/{run.id}/pause", {}, htmx=True)
    assert "Pausing …" in answer.text
    assert "<html" not in answer.text
    asked = await load(owner, run.id)
    assert (asked.status, asked.paused, asked.active) == ("running", True, True)


async def test_a_paused_run_says_so_and_goes_on_at_a_click(owner: Visitor) -> None:
    run = await add_run(owner, await add_version(owner))
    page = (await owner.post(f"/runs/{run.id}/pause", {})).text
    assert "Paused" in page
    assert "0 of 3 epochs are done" in page
    assert "sse-connect" not in page
    answer = await owner.post(f"/runs/{run.id}/resume", {})
    assert answer.url.path == f"/runs/{run.id}"
    assert "Waiting for a free worker" in answer.text
    assert "sse-connect" in answer.text
    assert not (await load(owner, run.id)).paused


async def test_a_paused_run_does_not_keep_its_version_from_being_trained(owner: Visitor) -> None:
    version = await add_version(owner)
    run = await add_run(owner, version, paused=True)
    answer = await owner.post(f"{path(version)}/runs", {"revision": version.revision})
    assert answer.url.path == f"/runs/{run.id + 1}"
    refused = await owner.post(f"/runs/{run.id}/resume", {})
    assert refused.status_code == 422
    assert "trained already" in refused.text
    assert (await load(owner, run.id)).held


def path(version: Any) -> str:
    return f"/models/{version.model_id}/versions/{version.number}"


async def test_stopping_a_paused_run_keeps_the_weights_it_has(owner: Visitor) -> None:
    run = await add_run(owner, await add_version(owner), paused=True)
    files = owner.services.files
    files.folder(run_folder(run.id))
    for key in (weights_key(run.id), *unfinished_keys(run.id)):
        files.path(key).write_bytes(b"x")
    await owner.post(f"/runs/{run.id}/stop", {})
    stopped = await load(owner, run.id)
    assert (stopped.status, stopped.weights) == ("stopped", weights_key(run.id))
    assert [path.name for path in files.path(run_folder(run.id)).iterdir()] == ["weights.safetensors"]


@pytest.mark.parametrize("status", ["finished", "failed", "stopped"])
async def test_a_run_that_has_ended_is_trained_again_as_a_new_run(owner: Visitor, status: str) -> None:
    version = await add_version(owner)
    columns: dict[str, Any] = {"failure_message": WHY} if status == "failed" else {}
    if status == "finished":
        columns = {"test_accuracy": 0.9, "test_loss": 0.1, "best_epoch": 1, "seconds": 1.0, "parameters": 9}
    run = await add_run(owner, version, status=status, **columns)
    await owner.operate(version, operation={"op": "remove", "block": "relu1"})
    page = (await owner.get(f"/runs/{run.id}")).text
    assert "Train this network again" in page
    assert ("Try again from the start" in page) == (status != "finished")
    answer = await owner.post(f"/runs/{run.id}/again", {})
    assert answer.url.path == f"/runs/{run.id + 1}"
    again, before = await load(owner, run.id + 1), await load(owner, run.id)
    assert (again.document, again.settings, again.status) == (before.document, before.settings, "queued")
    assert before.status == status


async def test_it_is_trained_again_with_the_settings_that_were_typed(owner: Visitor) -> None:
    run = await add_run(owner, await add_version(owner), status="stopped")
    await owner.post(f"/runs/{run.id}/again", {"setting:epochs": "7", "setting:learning_rate": "0.01"})
    assert (await load(owner, run.id + 1)).settings == TrainingSettings(epochs=7, learning_rate=0.01)


async def test_a_setting_that_cannot_be_used_starts_nothing_and_says_why(owner: Visitor) -> None:
    run = await add_run(owner, await add_version(owner), status="stopped")
    answer = await owner.post(f"/runs/{run.id}/again", {"setting:epochs": "many"})
    assert answer.status_code == 422
    assert 'value="many"' in answer.text
    assert 'role="alert"' in answer.text
    async with owner.database.reading() as session:
        assert await session.get(Run, run.id + 1) is None


@pytest.mark.parametrize("button", ["pause", "resume", "again", "stop"])
async def test_nobody_touches_the_run_of_somebody_else(owner: Visitor, button: str) -> None:
    async with owner.database.writing() as session:
        eve = User(name="Eve")
        session.add(eve)
    run = await add_run(owner, await add_version(owner, user=eve), status="queued")
    assert (await owner.post(f"/runs/{run.id}/{button}", {})).status_code == 404
    left = await load(owner, run.id)
    assert (left.status, left.paused) == ("queued", False)


async def test_more_runs_than_may_wait_are_refused_with_the_figure(owner: Visitor) -> None:
    limit = owner.services.settings.queued_per_user
    other = await add_version(owner)
    waiting = [await add_run(owner, other) for _ in range(limit)]
    version = await add_version(owner)
    answer = await owner.post(f"{path(version)}/runs", {"revision": version.revision})
    assert answer.status_code == 422
    assert f"You have {limit} runs in the queue or paused; the limit is {limit}." in answer.text
    await owner.post(f"/runs/{waiting[0].id}/stop", {})
    answer = await owner.post(f"{path(version)}/runs", {"revision": version.revision})
    assert answer.url.path == f"/runs/{waiting[-1].id + 1}"


async def test_a_waiting_run_shows_its_place_in_the_queue(owner: Visitor) -> None:
    async with owner.database.writing() as session:
        eve = User(name="Eve")
        session.add(eve)
    for _ in range(3):
        await add_run(owner, await add_version(owner, user=eve))
    run = await add_run(owner, await add_version(owner))
    assert "Position 2 in the queue" in (await owner.get(f"/runs/{run.id}")).text
