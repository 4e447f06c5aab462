"""The page on which a network is tried: every kind of image, a real predictor, and nothing kept of any of it."""

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image, ImageDraw
from sqlalchemy import func, select

from scv.db.base import Base
from scv.db.tables import Run
from scv.jobs.broker import Broker
from scv.jobs.predictor_supervisor import keep_predictor
from scv.jobs.worker import end_task
from scv.settings import Settings
from scv.web.runs.try_pages import MOST_BYTES, MOST_IMAGES
from tests.jobs.trained import add_trained_run, digit
from tests.migrated import place_database
from tests.ml.reported import ruin
from tests.web.conftest import Visitor, add_run, add_version, sign_in_as_somebody
from tests.web.datasets.sending import send


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with Broker(tmp_path, tmp_path / "logs" / "broker.log") as broker:
        yield broker


@pytest.fixture
async def settings(tmp_path: Path, broker: Broker) -> Settings:
    settings = Settings(data_dir=tmp_path, redis_url=broker.url).resolved()
    await place_database(settings)
    return settings


@pytest.fixture
async def run(owner: Visitor, settings: Settings) -> Run:
    return await add_trained_run(owner.database, settings.data_dir, await owner.user())


@pytest.fixture
async def predictor(settings: Settings) -> AsyncIterator[None]:
    supervisor = asyncio.create_task(keep_predictor(settings, set()))
    yield
    await end_task(supervisor)


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    content = BytesIO()
    image.save(content, format, **options)  # type: ignore[arg-type]  # what Pillow takes
    return content.getvalue()


def drawn() -> Image.Image:
    return Image.open(BytesIO(digit(7))).convert("RGB")


def sixteen_bits() -> bytes:
    return saved(Image.fromarray(np.asarray(drawn().convert("L")).astype(np.uint16) * 257), "PNG")


def bomb() -> bytes:
    """A PNG that says it is 60,000 pixels wide and high."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    parts = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


READ = {
    "png": lambda: digit(7),
    "sixteen bits": sixteen_bits,
    "cmyk": lambda: saved(drawn().convert("CMYK"), "JPEG", quality=95),
    "palette": lambda: saved(drawn().quantize(8), "PNG"),
    "mislabelled": lambda: saved(drawn(), "WEBP", quality=95),
    "animated": lambda: saved(drawn(), "GIF", save_all=True, append_images=[Image.new("RGB", (50, 50))] * 3),
}
"""Images of a 7 that are read, each under the name 7.png."""

REFUSED = {
    "corrupted": (lambda: digit(7)[:200], "not an image that can be read"),
    "a program": (lambda: b"MZ\x90\x00 this is a program", "not an image that can be read"),
    "nothing": (lambda: b"", "empty"),
    "one pixel": (lambda: saved(Image.new("L", (1, 1)), "PNG"), "fewer than 8 pixels"),
    "a bomb": (bomb, "too large"),
    "a large file": (lambda: bytes(17 * 2**20), "16 MB are the most"),
    "blank": (lambda: saved(Image.new("L", (100, 100), 255), "PNG"), "No writing was found"),
}


async def ask(visitor: Visitor, run: Run, *images: bytes, htmx: bool = True, **fields: str) -> httpx.Response:
    files = [("images", ("7.png", image)) for image in images]
    return await send(visitor, f"/runs/{run.id}/try", files, fields, htmx=htmx)


async def test_the_page_says_which_run_it_is_and_how_good(owner: Visitor, run: Run) -> None:
    page = await owner.get(f"/runs/{run.id}/try")
    assert page.status_code == 200
    for text in ("Digit reader", f"run {run.id}", "97.25%", "stay on this server", "MNIST"):
        assert text in page.text
    assert (
        page.text.index('id="draw-title"') < page.text.index('id="answer-title"') < page.text.index('id="camera-title"')
    )
    assert f"/runs/{run.id}/try" in (await owner.get(f"/runs/{run.id}")).text
    assert f"/runs/{run.id}/try" in (await owner.get("/models")).text


@pytest.mark.usefixtures("predictor")
async def test_every_kind_of_image_is_answered_or_refused_with_its_reason(owner: Visitor, run: Run) -> None:
    for kind, make in READ.items():
        answer = await ask(owner, run, make())
        assert answer.status_code == 200, kind
        assert "<b>7</b>" in answer.text, kind
        assert answer.text.count("data:image/png") >= 5, kind
    for kind, (make, reason) in REFUSED.items():
        answer = await ask(owner, run, make())
        assert answer.status_code == 422, kind
        assert reason in answer.text, kind
    live = await ask(owner, run, REFUSED["blank"][0](), live="1")
    assert (live.status_code, "No writing" in live.text) == (200, True)
    assert "several images" in (await ask(owner, run, READ["animated"]())).text


@pytest.mark.usefixtures("predictor")
async def test_a_plain_form_gets_the_whole_page_with_an_answer_for_each_image(owner: Visitor, run: Run) -> None:
    answer = await ask(owner, run, digit(7), b"nothing", digit(3), htmx=False)
    assert answer.status_code == 200
    assert "<html" in answer.text
    assert answer.text.count("<article") == 3
    assert "<b>7</b>" in answer.text
    assert "<b>3</b>" in answer.text
    assert "not an image that can be read" in answer.text
    many = await ask(owner, run, *[b"nothing"] * (MOST_IMAGES + 2))
    assert many.text.count("<article") == MOST_IMAGES
    assert f"Predictions for the first {MOST_IMAGES} images" in many.text
    none = await send(owner, f"/runs/{run.id}/try", [("images", ("", b""))])  # as browsers send no file
    assert (none.status_code, "Choose an image first." in none.text) == (422, True)


@pytest.mark.usefixtures("predictor")
async def test_a_strange_image_is_called_strange(owner: Visitor, run: Run) -> None:
    scribble = Image.new("L", (240, 240), 255)
    places = np.random.default_rng(3).uniform(20, 220, (14, 2))
    ImageDraw.Draw(scribble).line([(float(x), float(y)) for x, y in places], fill=0, width=10)
    answer = await ask(owner, run, saved(scribble, "PNG"))
    assert "Reason:" in answer.text
    assert "does not look like the training images" in answer.text


@pytest.mark.usefixtures("predictor")
async def test_a_network_that_gives_no_numbers_shows_what_it_saw_and_says_what_to_do(
    owner: Visitor, run: Run, settings: Settings
) -> None:
    ruin(settings.data_dir / "files" / (run.weights or ""))
    answer = await ask(owner, run, digit(7))
    assert answer.status_code == 422
    assert "outputs are not numbers" in answer.text
    assert "smaller learning rate, such as 0.0001" in answer.text
    assert answer.text.count("data:image/png") >= 4, "the steps to what the network sees"
    assert "Prediction" not in answer.text


@pytest.mark.usefixtures("predictor")
async def test_nothing_of_an_image_is_kept(owner: Visitor, run: Run, settings: Settings) -> None:
    async def rows() -> dict[str, int]:
        async with owner.database.reading() as session:
            return {
                table.name: await session.scalar(select(func.count()).select_from(table)) or 0
                for table in Base.metadata.sorted_tables
            }

    await ask(owner, run, digit(1))
    before, there = await rows(), set(settings.data_dir.rglob("*"))
    images = [digit(label) for label in range(4)] + [digit(9)[:3000]]
    for image in images:
        await ask(owner, run, image)
    await asyncio.sleep(1.5)  # the broker writes its file once a second
    assert await rows() == before
    assert {path for path in settings.data_dir.rglob("*") if not path.name.startswith("scv.sqlite3")} <= there
    kept = b"".join(path.read_bytes() for path in settings.data_dir.rglob("*") if path.is_file())
    assert b"scv:claimed:" in kept, "the append-only file was not looked into"
    for image in images:
        assert image[60:120] not in kept


async def test_a_strangers_run_is_not_found_and_one_without_weights_says_so(
    owner: Visitor, run: Run, settings: Settings
) -> None:
    waiting = await add_run(owner, await add_version(owner), status="stopped")
    page = await owner.get(f"/runs/{waiting.id}/try")
    assert (page.status_code, "no weights were saved" in page.text) == (200, True)
    assert 'type="file"' not in page.text
    refused = await ask(owner, waiting, digit(1))
    assert (refused.status_code, "has no weights" in refused.text) == (422, True)
    training = await add_run(owner, await add_version(owner), status="running")
    assert "Its training goes on." in (await owner.get(f"/runs/{training.id}/try")).text
    (settings.data_dir / "files" / (run.weights or "")).unlink()
    assert (await ask(owner, run, digit(1))).status_code == 422
    await sign_in_as_somebody(owner)
    assert (await owner.get(f"/runs/{run.id}/try")).status_code == 404
    assert (await ask(owner, run, digit(1))).status_code == 404


async def test_without_the_broker_it_says_so_and_without_a_token_nothing(
    owner: Visitor, run: Run, broker: Broker
) -> None:
    await broker.stop()
    answer = await ask(owner, run, digit(1))
    assert (answer.status_code, "does not answer at the moment" in answer.text) == (503, True)
    refused = await send(owner, f"/runs/{run.id}/try", [("images", ("7.png", digit(7)))], token="wrong")
    assert refused.status_code == 403


async def test_without_a_predictor_it_says_so(owner: Visitor, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scv.jobs.predict_client.ask.__kwdefaults__", {"seconds": 20.0, "start_seconds": 0.3})
    answer = await ask(owner, run, digit(1))
    assert (answer.status_code, "not available at the moment" in answer.text) == (503, True)


async def test_more_than_may_be_sent_at_once_is_refused_before_it_is_read(owner: Visitor, run: Run) -> None:
    answer = await ask(owner, run, bytes(MOST_BYTES + 1))
    assert answer.status_code == 413
    assert "48 MB" in answer.text
