"""The datasets' pages: what they show, and how what is not here comes here."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from scv.data.official import digits
from scv.data.official.catalogue import DATASETS
from scv.data.resident_writer import write_resident
from scv.db import tasks
from scv.db.tables import Task
from scv.message import Message, say
from scv.settings import Settings
from scv.stage import Stage
from scv.web.datasets.state import LICENCES, WORDS
from tests.web.conftest import Visitor, add_version, path_of


async def request(owner: Visitor, name: str) -> Task:
    """Somebody wants the dataset prepared."""
    user = await owner.user()
    async with owner.database.writing() as session:
        return await tasks.request(session, "prepare", name, user_id=user.id, title=name)


async def take(owner: Visitor, name: str) -> tuple[Task, str]:
    """A worker has taken the preparation."""
    await request(owner, name)
    async with owner.database.writing() as session:
        task = await tasks.take(session, ["prepare"], 60)
    assert task is not None
    assert (task.subject, task.lease_token is None) == (name, False)
    return task, task.lease_token or ""


async def fail(owner: Visitor, name: str, why: Message) -> None:
    """The preparation has failed."""
    task, token = await take(owner, name)
    async with owner.database.writing() as session:
        await tasks.end(session, task.id, token, "failed", why)


async def load(owner: Visitor, name: str) -> Task | None:
    async with owner.database.reading() as session:
        return await tasks.find(session, "prepare", name)


async def test_images_that_are_not_ready_are_waited_for(owner: Visitor) -> None:
    page = await owner.get(path_of(await add_version(owner)))
    assert "The images are being prepared" in page.text
    assert 'hx-get="/datasets/digits/samples"' in (await owner.get("/datasets/digits/samples")).text
    assert (await owner.get("/datasets/digits/samples.png")).status_code == 404


async def test_damaged_images_are_waited_for_too(owner: Visitor, settings: Settings) -> None:
    write_resident(settings.data_dir, "digits", digits.read())
    path = path_of(await add_version(owner))
    folder = settings.data_dir / "datasets" / "digits"
    whole = (folder / "train_images.npy").read_bytes()
    for content in (b"", whole[:60], whole[:200], whole[:20] + b"(" * 400, b"x" * 900):
        (folder / "train_images.npy").write_bytes(content)
        assert "The images are being prepared" in (await owner.get(path)).text
        assert (await owner.get("/models/new")).status_code == 200
        assert (await owner.get("/datasets/digits/samples.png")).status_code == 404


async def test_a_preparation_that_failed_says_why_and_can_be_tried_again(owner: Visitor, settings: Settings) -> None:
    await fail(owner, "digits", say("The disk is full."))
    path = path_of(await add_version(owner))
    for address in (path, "/datasets/digits/samples"):
        page = await owner.get(address)
        assert "The disk is full." in page.text
        assert "Try again" in page.text
        assert 'hx-get="/datasets/digits/samples"' not in page.text
    referer = {"Referer": f"{owner.client.base_url}{path}"}
    token = await owner.csrf()
    answer = await owner.client.post("/datasets/digits/samples", data={"_csrf_token": token}, headers=referer)
    assert answer.url.path == path
    assert "The images are being prepared" in answer.text
    task = await load(owner, "digits")
    assert task is not None
    assert (task.state, task.failure) == ("queued", None)
    assert (await owner.post("/datasets/nothing/samples", {})).status_code == 404


async def test_images_that_are_there_are_shown_whatever_failed_before(owner: Visitor, settings: Settings) -> None:
    write_resident(settings.data_dir, "digits", digits.read())
    await fail(owner, "digits", say("The disk is full."))
    page = await owner.get(path_of(await add_version(owner)))
    assert "samples.png" in page.text
    assert "The disk is full." not in page.text


async def test_one_real_image_of_each_class_is_shown(owner: Visitor, settings: Settings) -> None:
    resident = write_resident(settings.data_dir, "digits", digits.read())
    assert "samples.png" in (await owner.get("/datasets/digits/samples")).text
    answer = await owner.get("/datasets/digits/samples.png")
    image = Image.open(io.BytesIO(answer.content))
    assert image.size == (10 * 64 + 9 * 6, 64)
    first = resident.train_images[resident.train_labels == 3][0, 0]
    for row, column in ((0, 0), (3, 4), (7, 7)):
        pixel = image.getpixel((3 * 70 + column * 8 + 1, row * 8 + 1))
        assert pixel == (first[row, column],) * 3 + (255,)
    assert image.getpixel((65, 5)) == (0, 0, 0, 0)


async def load_quarter(owner: Visitor) -> tuple[Task, str]:
    """A quarter of SVHN has been downloaded."""
    task, token = await take(owner, "svhn")
    stage = Stage(say("Downloading {dataset}", dataset="SVHN"), 61_000_000, 244_000_000)
    async with owner.database.writing() as session:
        await tasks.renew(session, task.id, token, 60, stage, stage.share, 200.0)
    return task, token


async def test_the_list_says_of_every_dataset_what_state_it_is_in(owner: Visitor, settings: Settings) -> None:
    write_resident(settings.data_dir, "digits", digits.read())
    await fail(owner, "cifar10", say("The disk is full."))
    await load_quarter(owner)
    page = (await owner.get("/datasets")).text
    cards = dict(zip(DATASETS, page.split('<li class="card">')[1:], strict=True))
    assert all(f'href="/datasets/{name}"' in card for name, card in cards.items())
    assert "Ready" in cards["digits"]
    assert "/datasets/digits/samples.png" in cards["digits"]
    assert "Not here yet: 31 MB to download" in cards["fashion-mnist"]
    assert "samples.png" not in cards["fashion-mnist"]
    assert "the last try failed" in cards["cifar10"]
    assert "Downloading SVHN · 25%" in cards["svhn"]
    assert 'href="/datasets"' in (await owner.get("/models")).text


async def test_a_dataset_that_is_ready_shows_its_classes_and_facts(owner: Visitor, settings: Settings) -> None:
    resident = write_resident(settings.data_dir, "digits", digits.read())
    version = await add_version(owner, name="Reads digits")
    page = (await owner.get("/datasets/digits")).text
    assert resident.hash in page
    assert "CC BY 4.0" in page
    assert 'href="https://archive.ics.uci.edu' in page
    for label in range(10):
        assert f'src="/datasets/digits/classes/{label}"' in page
        assert re.search(rf"<td>\s*{(resident.train_labels == label).sum()}<progress", page)
    assert page.count('value="1.0"') == 1
    assert f'href="/models/{version.model_id}">Reads digits<' in page
    assert "/stop" not in page
    assert "Without internet" not in page


async def test_images_of_a_class_are_its_first(owner: Visitor, settings: Settings) -> None:
    resident = write_resident(settings.data_dir, "digits", digits.read())
    answer = await owner.get("/datasets/digits/classes/7")
    image = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert image.shape == (64, 10 * 64 + 9 * 6, 4)
    shown = image[4::8, 2 * 70 + 4 : 2 * 70 + 64 : 8, 0]
    assert np.array_equal(shown, resident.train_images[resident.train_labels == 7][2, 0])
    for address in ("classes/10", "classes/99999", "classes/x"):
        assert (await owner.get(f"/datasets/digits/{address}")).status_code == 404
    assert (await owner.get("/datasets/mnist/classes/1")).status_code == 404
    for address in ("", "/state", "/samples", "/samples.png", "/classes/0"):
        assert (await owner.get(f"/datasets/nothing{address}")).status_code == 404


async def test_missing_files_are_named_with_their_folder_and_offered_to_download(
    owner: Visitor, settings: Settings
) -> None:
    page = (await owner.get("/datasets/svhn")).text
    assert "Download 246 MB" in page
    assert f"<code>{settings.data_dir / 'SVHN'}</code>" in page
    for text in ("train_32x32.mat", "test_32x32.mat", "scv datasets import svhn PATH", "for non-commercial use only"):
        assert text in page
    assert await load(owner, "svhn") is None, "looking at it downloads nothing"

    referer = {"Referer": f"{owner.client.base_url}/datasets/svhn"}
    token = await owner.csrf()
    answer = await owner.client.post("/datasets/svhn/samples", data={"_csrf_token": token}, headers=referer)
    assert answer.url.path == "/datasets/svhn"
    assert "In the queue" in answer.text
    assert 'hx-get="/datasets/svhn/state"' in answer.text

    answer = await owner.post("/datasets/svhn/stop", {})
    assert answer.url.path == "/datasets/svhn"
    assert "Download 246 MB" in answer.text


async def test_the_state_is_asked_for_until_it_ends_and_then_the_page_is_new(
    owner: Visitor, settings: Settings
) -> None:
    task, token = await load_quarter(owner)
    answer = await owner.get("/datasets/svhn/state", target="task")
    for text in ("25%", 'max="100" value="25"', "61 MB of 244 MB", "3 min 20 s left", 'hx-get="/datasets/svhn/state"'):
        assert text in answer.text
    assert "HX-Refresh" not in answer.headers
    stopping = (await owner.post("/datasets/svhn/stop", {})).text
    assert "Stopping …" in stopping
    assert " disabled>" in stopping
    async with owner.database.writing() as session:
        await tasks.end(session, task.id, token, "failed", say("The disk is full."))
    answer = await owner.get("/datasets/svhn/state", target="task")
    assert answer.headers["HX-Refresh"] == "true"
    assert "hx-get" not in answer.text
    page = (await owner.get("/datasets/svhn")).text
    assert "The disk is full." in page
    assert "Try again" in page
    assert "Without internet" in page


async def test_what_needs_no_download_is_prepared_at_the_first_look(owner: Visitor, settings: Settings) -> None:
    page = (await owner.get("/datasets/digits")).text
    assert "It is being prepared" in page
    assert "/datasets/digits/stop" not in page, "there is nothing to stop"
    assert "The job queue does not answer at the moment" in page, "there is no broker in this test"
    task = await load(owner, "digits")
    assert task is not None
    assert (task.state, task.title, task.user_id) == ("queued", "Digits", 1)


async def test_files_that_were_put_there_packed_are_taken_at_the_next_look(owner: Visitor, settings: Settings) -> None:
    (settings.data_dir / "cifar-10-batches-py").mkdir()
    (settings.data_dir / "cifar-10-batches-py" / "cifar-10-python.tar.gz").touch()
    assert "The files are here; they are prepared when first used" in (await owner.get("/datasets")).text
    assert "It is being prepared" in (await owner.get("/datasets/cifar10")).text


async def test_a_new_model_takes_what_can_be_had_and_refuses_what_failed(owner: Visitor, settings: Settings) -> None:
    await fail(owner, "svhn", say("The disk is full."))
    await request(owner, "mnist")
    page = (await owner.get("/models/new?dataset=cifar10")).text
    assert 'value="cifar10" checked>' in page
    assert 'value="svhn" disabled>' in page
    assert page.count(" disabled>") == 1
    assert "In the queue" in page
    assert "Not here yet: 170 MB to download" in page
    refused = await owner.post("/models/new", {"name": "Numbers", "dataset": "svhn"})
    assert refused.status_code == 422
    assert "SVHN is not ready" in refused.text
    made = await owner.post("/models/new", {"name": "Photographs", "dataset": "cifar10", "starter": "resnet"})
    assert made.url.path.startswith("/models/")
    assert "CIFAR-10" in made.text


@pytest.mark.parametrize("name", DATASETS)
async def test_every_page_of_a_dataset_is_there_for_both_languages(owner: Visitor, name: str) -> None:
    for language in ("en", "ko"):
        await owner.post("/language", {"language": language})
        assert (await owner.get(f"/datasets/{name}")).status_code == 200
        assert (await owner.get(f"/models/new?dataset={name}")).status_code == 200


def test_names_that_are_words_can_be_translated() -> None:
    words = {name for info in DATASETS.values() for name in info.class_names if len(name) > 1}
    assert words == WORDS
    assert set(LICENCES) == {info.licence for info in DATASETS.values() if info.licence == info.licence.lower()}
