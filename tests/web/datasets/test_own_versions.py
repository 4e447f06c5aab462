"""Versions of people's datasets while they are made: what cannot be made, is stopped, or is in the way of another."""

import asyncio
import os
import resource
import signal
import sqlite3
from contextlib import closing

import msgspec
from sqlalchemy import select

from scv.data.own.changes import Changes
from scv.db import datasets, tasks
from scv.db.tables import Dataset, Model, Task
from scv.message import say
from scv.settings import Settings
from scv.stage import Stage
from tests.data.image_files import classes, noise, saved, write_folder, write_zip
from tests.web.conftest import Visitor
from tests.web.datasets.owning import (
    add_dataset,
    begin,
    begun,
    draft,
    make_waiting,
    until_at_work,
    until_nobody_writes,
    versions_of,
)

DATA = "datasets"


async def test_an_archive_that_cannot_be_taken_leaves_nothing_but_a_notice(owner: Visitor, settings: Settings) -> None:
    few = {"a/1.png": saved(noise(1)), "a/2.png": b"no image", "b/1.png": saved(noise(3)), "b/2.png": b""}
    dataset = await add_dataset(owner, settings, few, name="Too few")
    assert (await owner.get(f"/datasets/own/{dataset.id}")).status_code == 404
    polled = await owner.get(f"/datasets/own/{dataset.id}/state", target="task")
    assert polled.headers["hx-redirect"] == "/datasets"
    told = (await owner.get("/datasets")).text
    assert "The images of Too few could not be imported." in told
    assert "Too few" not in (await owner.get("/datasets")).text, "it is told once"
    assert not draft(settings, dataset.id).exists()
    assert [path for path in (settings.data_dir / DATA).iterdir() if path.suffix != ".lock"] == []
    async with owner.database.reading() as session:
        assert (await session.scalars(select(Dataset))).all() == []


async def test_collected_images_that_are_not_enough_yet_are_kept(owner: Visitor, settings: Settings) -> None:
    dataset = await begin(owner, await owner.user(), "By hand", changes=Changes(draft=True))
    write_folder(draft(settings, dataset.id) / "images", {"a/1.png": saved(noise(1)), "b/1.png": saved(noise(2))})
    await make_waiting(owner, settings)
    assert (draft(settings, dataset.id) / "images" / "a" / "1.png").exists()
    assert await versions_of(owner, dataset) == []
    async with owner.database.reading() as session:
        assert "a" in ((await session.get_one(Dataset, dataset.id)).failure or "")


async def test_a_dataset_that_is_deleted_while_it_is_made_leaves_nothing(owner: Visitor, settings: Settings) -> None:
    dataset = await begin(owner, await owner.user(), "Short", changes=Changes(draft=True))
    draft(settings, dataset.id).mkdir(parents=True)
    write_zip(draft(settings, dataset.id) / "upload.zip", classes(2, 10))
    at_work: set[int] = set()
    work = asyncio.create_task(make_waiting(owner, settings, at_work))
    await until_at_work(at_work)
    await until_nobody_writes(owner)
    await owner.post(f"/datasets/own/{dataset.id}/delete", {})
    await work
    assert not list((settings.data_dir / DATA).glob("*own*"))
    assert not draft(settings, dataset.id).exists()


async def test_what_is_still_at_work_on_a_stopped_version_does_not_touch_the_next_one(
    owner: Visitor, settings: Settings
) -> None:
    dataset, work, process = await begun(owner, settings)
    await owner.post(f"/datasets/own/{dataset.id}/stop", {})
    await owner.post(f"/datasets/own/{dataset.id}/make", {"size": "28", "color": "1", "fit": "crop"})
    os.kill(process, signal.SIGKILL)
    await work
    (version,) = await versions_of(owner, dataset)
    assert (version.number, version.status) == (2, "ready")
    assert sum(version.train) + sum(version.test) == 200


async def test_a_stopped_version_that_was_made_nevertheless_is_not_taken_for_the_next_one(
    owner: Visitor, settings: Settings
) -> None:
    dataset, work, process = await begun(owner, settings)
    changes = msgspec.json.encode(Changes(draft=True)).decode()
    async with owner.database.writing() as session:
        found = await datasets.get_editable_dataset(session, await owner.user(), dataset.id)
        await datasets.give_up_version(session, found.versions[0], say("It was stopped."), forget=False)
    async with owner.database.writing() as session:
        found = await datasets.get_editable_dataset(session, await owner.user(), dataset.id)
        await datasets.begin_version(session, found, changes)
    os.kill(process, signal.SIGCONT)
    await work
    (version,) = await versions_of(owner, dataset)
    assert (version.number, version.status) == (2, "ready"), "its archive was still there"
    assert sum(version.train) + sum(version.test) == 200
    assert not (settings.data_dir / DATA / f"own-{dataset.id}-1").exists()


async def test_the_work_is_shown_can_be_stopped_and_tried_again(owner: Visitor, settings: Settings) -> None:
    dataset = await begin(owner, await owner.user(), "Pets", changes=Changes(draft=True))
    draft(settings, dataset.id).mkdir(parents=True)
    write_zip(draft(settings, dataset.id) / "upload.zip", classes(2, 10))
    path = f"/datasets/own/{dataset.id}"
    for address in (path, f"{path}/collect"):
        page = (await owner.get(address)).text
        assert "In the queue" in page
        assert f'hx-get="{path}/state"' in page
        assert f'action="{path}/stop"' in page
        assert "The job queue does not answer" in page, "there is no broker in this test"
    async with owner.database.writing() as session:
        task = await tasks.take(session, ["version"], 60)
        assert task is not None
        stage = Stage(say("Reading the images"), 5, 20, "images")
        await tasks.renew(session, task.id, task.lease_token or "", 60, stage, 0.25, 90.0)
    shown = (await owner.get(f"{path}/state", target="task")).text
    assert "<html" not in shown
    for text in ("Reading the images", "25%", 'value="25"', "5 of 20", "1 min 30 s left"):
        assert text in shown

    stopped = (await owner.post(f"{path}/stop", {})).text
    assert "It was stopped." in stopped
    assert f'action="{path}/again"' in stopped
    assert (await owner.get(f"{path}/state", target="task")).headers["hx-redirect"] == f"{path}/collect"
    assert await versions_of(owner, dataset) == []
    async with owner.database.reading() as session:
        assert (await session.get_one(Task, task.id)).stop_requested, "its worker sees to it"

    again = await owner.post(f"{path}/again", {})
    assert again.url.path == path
    await make_waiting(owner, settings)
    assert [(version.number, version.status) for version in await versions_of(owner, dataset)] == [(2, "ready")]
    assert (await owner.post(f"{path}/again", {})).status_code == 422, "it is done"


async def test_what_was_thrown_away_cannot_be_tried_again(owner: Visitor, settings: Settings) -> None:
    dataset = await begin(owner, await owner.user(), "Pets", changes=Changes(draft=True))
    path = f"/datasets/own/{dataset.id}"
    assert "/again" not in (await owner.post(f"{path}/stop", {})).text
    assert (await owner.post(f"{path}/again", {})).status_code == 422


async def test_what_was_sent_is_kept_where_the_disk_is_full(owner: Visitor, settings: Settings) -> None:
    """It is not the archive that is at fault."""
    dataset = await begin(owner, await owner.user(), "Pets", changes=Changes(draft=True))
    draft(settings, dataset.id).mkdir(parents=True)
    write_zip(draft(settings, dataset.id) / "upload.zip", classes(2, 100))
    at_work: set[int] = set()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        work = asyncio.create_task(make_waiting(owner, settings, at_work))
        await until_at_work(at_work)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await work
    assert (draft(settings, dataset.id) / "upload.zip").exists()
    assert await versions_of(owner, dataset) == []
    page = (await owner.get(f"/datasets/own/{dataset.id}")).text
    assert "The images could not be written: file too large." in page
    await owner.post(f"/datasets/own/{dataset.id}/make", {"size": "28", "color": "1", "fit": "crop"})
    await make_waiting(owner, settings)
    assert [version.status for version in await versions_of(owner, dataset)] == ["ready"]


async def test_no_model_learns_from_a_version_that_is_still_being_made(owner: Visitor, settings: Settings) -> None:
    dataset = await add_dataset(owner, settings)
    await owner.post("/models/new", {"name": "R", "dataset": f"own-{dataset.id}-1", "starter": "lenet"})
    await owner.post(f"/datasets/own/{dataset.id}/drop", {"version": 1, "image": "train-0"})
    name = f"own-{dataset.id}-2"
    assert (await owner.post("/models/new", {"name": "R", "dataset": name, "starter": "lenet"})).status_code == 422
    assert (await owner.post("/models/1/dataset", {"dataset": name})).status_code == 422
    assert (await owner.get(f"/datasets/{name}")).status_code == 404
    async with owner.database.reading() as session:
        assert list(await session.scalars(select(Model.dataset))) == [f"own-{dataset.id}-1"]


async def test_the_list_of_datasets_is_there_while_somebody_writes(owner: Visitor, settings: Settings) -> None:
    await add_dataset(owner, settings)
    with closing(sqlite3.connect(settings.data_dir / "scv.sqlite3", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        answer = await owner.get("/datasets")
    assert answer.status_code == 200
    assert "Pets" in answer.text
