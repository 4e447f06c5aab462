"""The page of a draft: classes, images, what the network will see of them, and how they become a version."""

import json
import re
from io import BytesIO

import msgspec
import numpy as np
import pytest
from PIL import Image

from scv.data.images.decode import decode_image
from scv.data.official.digits import read
from scv.data.own.changes import Changes
from scv.db import datasets
from scv.db.tables import Dataset
from scv.settings import Settings
from tests.data.image_files import classes, noise, saved
from tests.web.conftest import Visitor
from tests.web.datasets.sending import begin, datasets_there, kept, send, send_zip, zipped


def images(count: int, start: int = 0) -> list[tuple[str, tuple[str, bytes]]]:
    return [("images", (f"{number}.png", saved(noise(start + number)))) for number in range(count)]


async def the_dataset(visitor: Visitor) -> Dataset:
    async with visitor.database.reading() as session:
        return await datasets.get_editable_dataset(session, await visitor.user(), 1)


async def test_both_ways_to_a_dataset_are_offered(owner: Visitor) -> None:
    page = await owner.get("/datasets/new")
    assert 'action="/datasets/new/zip"' in page.text
    assert 'action="/datasets/new"' in page.text
    assert 'data-most="2000000000"' in page.text
    answer = await owner.post("/datasets/new", {"name": " "})
    assert answer.status_code == 422
    assert "A name has 1 to 60 characters." in answer.text
    assert await datasets_there(owner) == 0


@pytest.mark.parametrize("name", ["", "x" * 61, "a/b", "a\\b", ".hidden", "..", "bell\x07", "__MACOSX"])
async def test_a_class_cannot_have_every_name(owner: Visitor, settings: Settings, name: str) -> None:
    here = await begin(owner)
    answer = await owner.post(f"{here}/classes", {"name": name})
    assert answer.status_code == 422
    assert 'id="problem"' in answer.text
    assert not (settings.data_dir / "files" / "drafts" / "1" / "images").exists()


async def test_images_are_collected_seen_and_taken_away(owner: Visitor, settings: Settings) -> None:
    here = await begin(owner, "dog", "cat & <mouse>")
    files = images(3)
    answer = await send(owner, f"{here}/images", files, {"class": "cat & <mouse>"})
    assert answer.status_code == 200
    assert answer.url.path == f"{here}/collect"
    assert "3 images" in answer.text
    assert "cat &amp; &lt;mouse&gt;" in answer.text
    shown = re.findall(r'<img src="(/datasets/own/1/images[^"]+)"', answer.text)
    assert len(shown) == 3
    thumbnail = await owner.get(shown[0].replace("&amp;", "&"))
    assert Image.open(BytesIO(thumbnail.content)).size == (96, 96)
    fields = {"class": "cat & <mouse>", "file": "000002.png"}
    answer = await owner.post(f"{here}/images/remove", fields)
    assert "2 images" in answer.text
    assert [name.rpartition("/")[2] for name in kept(settings)] == ["000001.png", "000003.png"]
    assert (await owner.post(f"{here}/images/remove", fields)).status_code == 404
    assert (await owner.get(f"{here}/images?class=cat&file=000001.png")).status_code == 404
    answer = await owner.post(f"{here}/classes/rename", {"class": "cat & <mouse>", "name": "cats"})
    assert "cats" in answer.text
    answer = await owner.post(f"{here}/classes/remove", {"class": "cats"})
    assert kept(settings) == []
    assert "cats" not in answer.text


async def test_under_htmx_only_what_changed_is_sent(owner: Visitor) -> None:
    here = await begin(owner, "cat", "dog")
    answer = await send(owner, f"{here}/images", images(2), {"class": "dog"}, htmx=True)
    assert re.fullmatch(r"#card-\w+", answer.headers["hx-retarget"])
    assert json.loads(answer.headers["hx-trigger"]) == {"collected": {}}
    assert answer.text.count('class="collected"') == 1
    assert "Images added to dog: 2." in answer.text
    answer = await owner.post(f"{here}/classes", {"name": "bird"}, htmx=True)
    assert answer.headers["hx-retarget"] == "#cards"
    assert answer.text.count('class="collected"') == 3
    assert re.search(r'value="bird"[^>]* checked', answer.text)
    answer = await owner.post(f"{here}/classes", {"name": "a/b"}, htmx=True)
    assert answer.status_code == 422
    assert answer.headers["hx-retarget"] == "#notices"


async def test_a_form_without_an_image_or_without_a_class_is_refused(owner: Visitor, settings: Settings) -> None:
    here = await begin(owner, "cat")
    nothing = [("images", ("", b""))]
    answer = await send(owner, f"{here}/images", nothing, {"class": "cat"})
    assert answer.status_code == 422
    assert "Choose an image first." in answer.text
    for name, words in (("bird", "There is no class bird."), ("", "Add a class first."), ("../1", "no class ../1")):
        answer = await send(owner, f"{here}/images", images(1), {"class": name})
        assert answer.status_code == 422
        assert words in answer.text
    assert (await send(owner, "/datasets/new/zip", nothing)).status_code == 422
    assert kept(settings) == []


async def test_the_preview_shows_the_pixels_that_the_network_will_see(owner: Visitor) -> None:
    files = classes(2, 6)
    await send_zip(owner, zipped(files))
    answer = await owner.post("/datasets/own/1/options", {"size": "other", "other": "40", "color": "0", "fit": "pad"})
    assert answer.status_code == 200
    address = re.findall(r'src="(/datasets/own/1/samples/1[^"]+)"', answer.text)[0].replace("&amp;", "&")
    assert "size=40&color=0&fit=pad" in address
    strip = Image.open(BytesIO((await owner.get(address)).content))
    assert strip.size == (6 * 40 + 5 * 6, 40)
    seen = np.asarray(strip)[:, 46:86, 0]
    assert seen.tobytes() == decode_image(files["b/001.png"], 40, 1, "pad")
    assert "about 19 kB" in answer.text  # 12 × (1600 + 8) bytes
    assert (await owner.get("/datasets/own/1/samples/2?size=40&color=0&fit=pad")).status_code == 404
    assert (await owner.get("/datasets/own/1/samples/0?size=4000&color=0&fit=pad")).status_code == 422


@pytest.mark.parametrize("size", ["27", "225", "-1", "x", "", "64.5", "9" * 5000, "²"])
async def test_a_size_that_cannot_be_is_refused(owner: Visitor, size: str) -> None:
    await send_zip(owner, zipped())
    for htmx in (False, True):
        answer = await owner.post("/datasets/own/1/options", {"size": "other", "other": size, "fit": "crop"}, htmx=htmx)
        assert answer.status_code == 422
        assert re.search("whole number of pixels|can be 28 to 224 pixels", answer.text)
    assert (await the_dataset(owner)).image_size == 64
    assert (await owner.post("/datasets/own/1/make", {"size": size})).status_code == 422


async def test_what_is_left_out_by_its_name_is_told(owner: Visitor) -> None:
    answer = await send_zip(owner, zipped({**classes(2, 6), "a/readme.txt": b"x", "loose.png": b"x"}))
    assert "Skipped, not in a class folder: 1 (loose.png)." in answer.text
    assert "Skipped, not PNG, JPEG, WebP, BMP, GIF or TIFF by name: 1 (a/readme.txt)." in answer.text


async def test_the_import_begins_a_version_with_the_chosen_options(owner: Visitor, settings: Settings) -> None:
    await send_zip(owner, zipped())
    token = await owner.csrf()
    fields = {"_csrf_token": token, "size": "32", "color": "1", "fit": "stretch"}
    answer = await owner.client.post("/datasets/own/1/make", data=fields, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/datasets/own/1")
    dataset = await the_dataset(owner)
    assert (dataset.image_size, dataset.color, dataset.fit) == (32, True, "stretch")
    (version,) = dataset.versions
    assert (version.name, version.status) == ("own-1-1", "making")
    assert version.changes is not None
    assert msgspec.json.decode(version.changes, type=Changes) == Changes(draft=True)
    assert kept(settings) == ["drafts/1/upload.zip"]
    for path in ("make", "classes", "discard", "options"):
        assert (await owner.post(f"/datasets/own/1/{path}", {"name": "x"})).status_code == 409
    assert (await send(owner, "/datasets/own/1/zip", [("file", ("a.zip", zipped()))])).status_code == 409
    assert "are being made into a version" in (await owner.get("/datasets/own/1/collect")).text


async def test_too_few_images_are_not_imported(owner: Visitor) -> None:
    here = await begin(owner, "cat", "dog", "empty")
    await send(owner, f"{here}/images", images(5), {"class": "cat"})
    answer = await owner.post(f"{here}/make", {"size": "64", "fit": "crop"})
    assert answer.status_code == 422
    assert "Two classes with images are needed." in answer.text
    await send(owner, f"{here}/images", images(4, 50), {"class": "dog"})
    answer = await owner.post(f"{here}/make", {"size": "64", "fit": "crop"})
    assert "Each class needs 5 images; these have too few: dog." in answer.text
    assert (await the_dataset(owner)).versions == []


async def test_an_import_that_would_break_the_quota_is_refused(
    owner: Visitor, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send_zip(owner, zipped(classes(2, 50)))
    limited = Settings(data_dir=settings.data_dir, datasets_mb=1).resolved()
    monkeypatch.setitem(owner.services.__dict__, "settings", limited)
    answer = await owner.post("/datasets/own/1/make", {"size": "224", "color": "1", "fit": "crop"})
    assert answer.status_code == 413
    assert "There is no room for this" in answer.text
    assert (await the_dataset(owner)).versions == []


async def test_a_draft_that_is_discarded_goes_with_its_dataset(owner: Visitor, settings: Settings) -> None:
    await send_zip(owner, zipped())
    answer = await owner.post("/datasets/own/1/discard", {})
    assert answer.url.path == "/datasets"
    assert kept(settings) == []
    assert await datasets_there(owner) == 0
    assert (await owner.get("/datasets/own/1/collect")).status_code == 404


async def test_a_draft_on_top_of_a_version_keeps_its_form_and_needs_no_second_class(
    owner: Visitor, settings: Settings
) -> None:
    here = await begin(owner)
    async with owner.database.writing() as session:
        dataset = await datasets.get_editable_dataset(session, await owner.user(), 1)
        version = await datasets.begin_version(session, dataset, "{}")
        await datasets.finish_version(session, version.name, class_names=["cat", "dog"])
    await owner.post(f"{here}/classes", {"name": "cat"})
    await send(owner, f"{here}/images", images(2), {"class": "cat"})
    answer = await owner.post(f"{here}/options", {"size": "32", "fit": "pad"})
    assert "As in the versions before." in answer.text
    assert (await the_dataset(owner)).image_size == 64
    answer = await owner.client.post(f"{here}/make", data={"_csrf_token": await owner.csrf()}, follow_redirects=False)
    assert answer.status_code == 303
    assert [version.name for version in (await the_dataset(owner)).versions] == ["own-1-1", "own-1-2"]


async def test_drawings_like_digits_can_be_collected(owner: Visitor) -> None:
    here = await begin(owner, "3")
    digits = read().train_images[:4, 0]
    files = [("images", (f"{number}.png", saved(Image.fromarray(pixels * 15)))) for number, pixels in enumerate(digits)]
    answer = await send(owner, f"{here}/images", files, {"class": "3"}, htmx=True)
    assert "Images added to 3: 4." in answer.text
