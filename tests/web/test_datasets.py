"""Sample pictures of a dataset."""

import io

from PIL import Image

from scv.blocks.message import say
from scv.data import digits
from scv.data.resident import write_resident
from scv.jobs.failures import keep_preparation_failure, preparation_failure
from scv.settings import Settings
from tests.web.conftest import Visitor, add_version, path_of


async def test_pictures_that_are_not_ready_are_waited_for(owner: Visitor) -> None:
    page = await owner.get(path_of(await add_version(owner)))
    assert "The pictures are being prepared" in page.text
    assert 'hx-get="/datasets/digits/samples"' in (await owner.get("/datasets/digits/samples")).text
    assert (await owner.get("/datasets/digits/samples.png")).status_code == 404


async def test_damaged_pictures_are_waited_for_too(owner: Visitor, settings: Settings) -> None:
    write_resident(settings.data_dir, "digits", digits.read())
    path = path_of(await add_version(owner))
    folder = settings.data_dir / "datasets" / "digits"
    whole = (folder / "train_images.npy").read_bytes()
    for content in (b"", whole[:60], whole[:200], whole[:20] + b"(" * 400, b"x" * 900):
        (folder / "train_images.npy").write_bytes(content)
        assert "The pictures are being prepared" in (await owner.get(path)).text
        assert (await owner.get("/models/new")).status_code == 200
        assert (await owner.get("/datasets/digits/samples.png")).status_code == 404


async def test_a_preparation_that_failed_says_why_and_can_be_tried_again(owner: Visitor, settings: Settings) -> None:
    keep_preparation_failure(settings.data_dir, "digits", say("The disk is full."))
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
    assert "The pictures are being prepared" in answer.text
    assert preparation_failure(settings.data_dir, "digits") is None
    assert (await owner.post("/datasets/nothing/samples", {})).status_code == 404


async def test_pictures_that_are_there_are_shown_whatever_failed_before(owner: Visitor, settings: Settings) -> None:
    write_resident(settings.data_dir, "digits", digits.read())
    keep_preparation_failure(settings.data_dir, "digits", say("The disk is full."))
    page = await owner.get(path_of(await add_version(owner)))
    assert "samples.png" in page.text
    assert "The disk is full." not in page.text


async def test_one_real_picture_of_each_class_is_shown(owner: Visitor, settings: Settings) -> None:
    resident = write_resident(settings.data_dir, "digits", digits.read())
    assert "samples.png" in (await owner.get("/datasets/digits/samples")).text
    answer = await owner.get("/datasets/digits/samples.png")
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.size == (10 * 64 + 9 * 6, 64)
    first = resident.train_images[resident.train_labels == 3][0, 0]
    for row, column in ((0, 0), (3, 4), (7, 7)):
        pixel = picture.getpixel((3 * 70 + column * 8 + 1, row * 8 + 1))
        assert pixel == (first[row, column],) * 3 + (255,)
    assert picture.getpixel((65, 5)) == (0, 0, 0, 0)
