"""The page of a user's tasks: what it shows, and its buttons."""

import re

import msgspec
import pytest

from scv.data.own.changes import Changes
from scv.db import datasets, tasks
from scv.db.runs import request_report
from scv.db.tables import DatasetVersion, Task, User
from scv.message import say
from scv.stage import Stage
from tests.web.conftest import Visitor, add_run, add_version, sign_in_as_somebody


async def request(owner: Visitor, name: str, user: User | None = None, kind: str = "prepare") -> Task:
    user = user or await owner.user()
    async with owner.database.writing() as session:
        return await tasks.request(session, kind, name, user_id=user.id, title=name.upper())


async def take(owner: Visitor, kind: str = "prepare") -> tuple[Task, str]:
    async with owner.database.writing() as session:
        task = await tasks.take(session, [kind], 60)
    assert task is not None
    return task, task.lease_token or ""


async def load(owner: Visitor, task: Task) -> Task:
    async with owner.database.reading() as session:
        return await session.get_one(Task, task.id)


async def add_report(owner: Visitor) -> Task:
    run = await add_run(owner, await add_version(owner), status="finished")
    async with owner.database.writing() as session:
        return await request_report(session, run.id)


async def begin_version(owner: Visitor, changes: Changes) -> DatasetVersion:
    user = await owner.user()
    async with owner.database.writing() as session:
        dataset = await datasets.create_dataset(session, user, "Pets")
        dataset = await datasets.get_owned_dataset(session, user, dataset.id)
        return await datasets.begin_version(session, dataset, msgspec.json.encode(changes).decode())


def rows(html: str) -> list[str]:
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)) for row in html.split('<li class="panel">')[1:]]


async def test_every_kind_is_listed_by_its_subject_with_what_runs_on_top(owner: Visitor) -> None:
    assert "There is nothing yet." in (await owner.get("/tasks")).text
    ended = await request(owner, "svhn")
    await owner.post(f"/tasks/{ended.id}/stop", {})
    await request(owner, "mnist")
    report = await add_report(owner)
    await begin_version(owner, Changes())
    task, token = await take(owner, "report")
    async with owner.database.writing() as session:
        await tasks.renew(session, task.id, token, 60, Stage(say("Layers"), 1, 2, "share"), 0.4, 75.0)
    html = (await owner.get("/tasks")).text
    listed = rows(html)
    assert len(listed) == 4
    for text in (f"Report: Digit reader, run {report.subject}", "Layers", "40%", "1 min 15 s left", "Stop"):
        assert text in listed[0]
    assert "Make a version: Pets" in listed[1]
    assert "Prepare MNIST" in listed[2]
    assert "In the queue" in listed[2]
    assert "Prepare SVHN Stopped" in listed[3]
    for address in (f"/runs/{report.subject}/report", "/datasets/own/1", "/datasets/mnist", "/datasets/svhn"):
        assert f'href="{address}"' in html
        assert (await owner.get(address)).status_code == 200
    assert html.count("/stop") == 3
    assert 'href="/tasks"' in (await owner.get("/models")).text


async def test_the_list_renews_itself(owner: Visitor) -> None:
    await request(owner, "svhn")
    part = (await owner.get("/tasks", target="tasks")).text
    assert part.strip().startswith('<div id="tasks" hx-get="/tasks"')
    assert "<html" not in part


async def test_a_task_is_stopped_and_tried_again(owner: Visitor) -> None:
    task = await request(owner, "svhn")
    answer = await owner.post(f"/tasks/{task.id}/stop", {})
    assert answer.url.path == "/tasks"
    assert (await load(owner, task)).state == "stopped"
    await owner.post(f"/tasks/{task.id}/stop", {})
    assert (await load(owner, task)).state == "stopped"
    answer = await owner.post(f"/tasks/{task.id}/again", {})
    assert answer.url.path == "/tasks"
    (listed,) = rows(answer.text)
    assert "In the queue" in listed
    assert (await owner.post(f"/tasks/{task.id}/again", {})).status_code == 404, "another has taken its place"


async def test_a_running_task_says_that_it_is_stopping(owner: Visitor) -> None:
    await request(owner, "svhn")
    task, _ = await take(owner)
    answer = await owner.post(f"/tasks/{task.id}/stop", {})
    assert "Stopping …" in answer.text
    assert (await load(owner, task)).stop_requested
    await owner.post(f"/tasks/{task.id}/again", {})
    assert (await load(owner, task)).stop_requested, "it has not ended yet"


async def test_a_failure_says_why(owner: Visitor) -> None:
    await request(owner, "svhn")
    task, token = await take(owner)
    async with owner.database.writing() as session:
        await tasks.end(session, task.id, token, "failed", say("The disk is full."))
    html = (await owner.get("/tasks")).text
    assert "The disk is full." in html
    assert f'action="/tasks/{task.id}/again"' in html
    await owner.post("/language", {"language": "ko"})
    assert "다시 시도" in (await owner.get("/tasks")).text


async def test_what_is_done_cannot_be_tried_again(owner: Visitor) -> None:
    await request(owner, "svhn")
    task, token = await take(owner)
    async with owner.database.writing() as session:
        await tasks.end(session, task.id, token, "done")
    assert "/again" not in (await owner.get("/tasks")).text
    assert (await owner.post(f"/tasks/{task.id}/again", {})).status_code == 422


async def test_a_version_is_given_up_with_its_task_and_begins_anew_with_it(owner: Visitor) -> None:
    version = await begin_version(owner, Changes(renamed={"a": "cat"}))
    async with owner.database.reading() as session:
        task = await tasks.find(session, "version", version.name)
    assert task is not None
    await owner.post(f"/tasks/{task.id}/stop", {})
    async with owner.database.reading() as session:
        assert not await datasets.has_version(session, version.name)
    assert "It was stopped." in (await owner.get("/datasets/own/1")).text
    await owner.post(f"/tasks/{task.id}/again", {})
    async with owner.database.reading() as session:
        again = await datasets.version_to_make(session, "own-1-2")
    assert again is not None
    assert again.changes == version.changes


async def test_a_version_of_what_was_thrown_away_is_not_tried_again(owner: Visitor) -> None:
    version = await begin_version(owner, Changes(draft=True))
    async with owner.database.reading() as session:
        task = await tasks.find(session, "version", version.name)
    assert task is not None
    page = (await owner.post(f"/tasks/{task.id}/stop", {})).text
    assert "/again" not in page
    assert (await owner.post(f"/tasks/{task.id}/again", {})).status_code == 422


async def test_nobody_sees_or_touches_what_others_requested(owner: Visitor) -> None:
    task = await request(owner, "svhn")
    await sign_in_as_somebody(owner)
    assert "SVHN" not in (await owner.get("/tasks")).text
    for action in ("stop", "again"):
        assert (await owner.post(f"/tasks/{task.id}/{action}", {})).status_code == 404
    assert (await load(owner, task)).state == "queued"


@pytest.mark.parametrize("state", ["queued", "done", "failed"])
async def test_a_task_of_a_kind_that_is_not_known_is_shown_all_the_same(owner: Visitor, state: str) -> None:
    task = await request(owner, "svhn", kind="teleport")
    async with owner.database.writing() as session:
        (await session.get_one(Task, task.id)).state = state  # type: ignore[assignment]
    assert "teleport: SVHN" in (await owner.get("/tasks")).text


async def test_the_owner_sees_and_stops_everybodys(owner: Visitor) -> None:
    async with owner.database.writing() as session:
        eve = User(name="Eve")
        session.add(eve)
    task = await request(owner, "svhn", eve)
    page = (await owner.get("/workers")).text
    assert "Prepare SVHN" in page
    assert "from Eve" in page
    await owner.post(f"/workers/tasks/{task.id}/stop", {})
    assert (await load(owner, task)).state == "stopped"
    assert (await owner.post("/workers/tasks/99/stop", {})).status_code == 404
