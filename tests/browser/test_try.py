"""A trained network is tried in a browser: with files, by pasting, by drawing, with a camera, and by keyboard."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect, sync_playwright

from scv.db.engine import Database
from scv.db.tables import User
from tests.browser.conftest import FLAGS, PATIENCE, Server, Window
from tests.data.handwriting import KINDS, drawn_dark, images, pen_on_paper
from tests.jobs.trained import add_trained_run

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SEVEN = [[(80, 80), (160, 78), (240, 80), (200, 160), (170, 260)]]
FOUR = [[(100, 60), (90, 120), (80, 180), (160, 182), (250, 178)], [(200, 70), (198, 160), (194, 280)]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """With a camera that shows an image that moves, and may be used without a question."""
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=[*FLAGS, *camera])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def run_id(server: Server, signed_in: StorageState) -> int:
    """A run of a LeNet on MNIST."""

    async def add() -> int:
        database = Database(server.settings.database_url)
        try:
            async with database.reading() as session:
                user = await session.get_one(User, 1)
            run = await add_trained_run(database, server.settings.data_dir, user)
        finally:
            await database.close()
        return run.id

    with ThreadPoolExecutor(1) as thread:  # Playwright has a loop of its own in this one
        return thread.submit(lambda: asyncio.run(add())).result()


@pytest.fixture
def page(window: Window, run_id: int) -> Page:
    window.page.goto(f"{window.base}/runs/{run_id}")
    window.page.get_by_role("link", name="Try it on your own image").click()
    window.page.wait_for_url("**/try")
    return window.page


def draw(page: Page, strokes: list[list[tuple[int, int]]]) -> None:
    """Draw with the mouse, in the sheet's own 320 × 320 pixels."""
    box = page.locator("canvas").bounding_box()
    assert box is not None
    scale = box["width"] / 320
    for stroke in strokes:
        places = [(box["x"] + x * scale, box["y"] + y * scale) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=8)
        page.mouse.up()


def photograph(number: int, kind: object = pen_on_paper) -> tuple[int, bytes]:
    index = next(index for index, each in enumerate(KINDS) if each is kind)
    return images(index, number + 1, seed=4)[number]


def test_a_digit_that_is_drawn_is_recognised_while_the_pen_moves(page: Page) -> None:
    draw(page, SEVEN)
    expect(page.locator(".best-guess b")).to_have_text("7")
    expect(page.locator(".strip li")).not_to_have_count(0)
    expect(page.locator(".strip li").last).to_contain_text("what the network sees")
    expect(page.locator(".bars li")).to_have_count(5)
    assert page.locator(".looked img").evaluate("image => image.naturalWidth") >= 84
    expect(page.locator("#said")).to_have_text("7")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".best-guess")).to_have_count(0)
    expect(page.locator("#answers")).to_contain_text("The prediction appears here")
    draw(page, FOUR)
    expect(page.locator(".best-guess b")).to_have_text("4")
    expect(page.locator("#said")).to_have_text("4")


def test_many_files_are_answered_each_by_itself(window: Window, page: Page, tmp_path: Path) -> None:
    window.expected.append("422")
    names = []
    for number in range(3):
        label, content = photograph(number)
        names.append(tmp_path / f"{label}-{number}.jpg")
        names[-1].write_bytes(content)
    page.locator("#ask input[type=file]").set_input_files([*names])
    expect(page.locator("article.outcome")).to_have_count(3)
    assert page.locator(".best-guess b").all_inner_texts() == [name.name[0] for name in names]
    broken = tmp_path / "notes.png"
    broken.write_text("no image at all")
    page.locator("#ask input[type=file]").set_input_files(broken)
    expect(page.locator(".best-guess.problem")).to_contain_text("not an image that can be read")


def test_an_image_is_pasted(page: Page) -> None:
    label, content = photograph(1, drawn_dark)
    page.evaluate(
        """bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "image.png", { type: "image/png" }));
            document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
        }""",
        list(content),
    )
    expect(page.locator(".best-guess b")).to_have_text(str(label))


def test_an_image_is_dropped_on_the_answer(page: Page) -> None:
    label, content = photograph(2, drawn_dark)
    page.evaluate(
        """bytes => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([new Uint8Array(bytes)], "drawn.png", { type: "image/png" }));
            const target = document.querySelector(".try-out");
            for (const name of ["dragover", "drop"])
                target.dispatchEvent(new DragEvent(name, { dataTransfer, bubbles: true, cancelable: true }));
        }""",
        list(content),
    )
    expect(page.locator(".best-guess b")).to_have_text(str(label))


def test_the_camera_is_answered_again_and_again_but_never_before_the_last_answer(window: Window, page: Page) -> None:
    window.expected += ["htmx:sendAbort", "htmx:afterRequest"]  # the file takes the place of what the camera asked
    page.evaluate(
        """() => {
          window.underWay = window.most = 0;
          addEventListener("htmx:beforeSend", () => { window.most = Math.max(window.most, ++window.underWay); }, true);
          addEventListener("htmx:afterRequest", () => { window.underWay -= 1; }, true);
        }"""
    )
    seen: set[str] = set()
    page.get_by_role("button", name="Camera on or off").click()
    expect(page.locator(".webcam.on.recording")).to_be_visible()
    expect(page.locator("#answers article")).to_be_visible()
    for _ in range(40):
        seen.add(page.locator(".strip img").first.get_attribute("src") or "")
        if len(seen) >= 4:
            break
        page.wait_for_timeout(200)
    assert len(seen) >= 4, "the answer does not follow the camera"
    assert page.evaluate("window.most") == 1
    label, content = photograph(0)
    page.locator("#ask input[type=file]").set_input_files(
        {"name": "p.jpg", "mimeType": "image/jpeg", "buffer": content}
    )
    expect(page.locator(".best-guess b")).to_have_text(str(label))
    expect(page.locator(".webcam.on")).to_have_count(0)
    page.wait_for_timeout(500)
    expect(page.locator(".best-guess b")).to_have_text(str(label))


def test_the_form_works_without_javascript_and_by_keyboard(
    browser: Browser, signed_in: StorageState, server: Server, run_id: int, tmp_path: Path
) -> None:
    label, content = photograph(0)
    file = tmp_path / "mine.jpg"
    file.write_bytes(content)
    context = browser.new_context(storage_state=signed_in, java_script_enabled=False, locale="en-US")
    page = context.new_page()
    page.goto(f"{server.base}/runs/{run_id}/try")
    field = page.locator("#ask input[type=file]")
    field.set_input_files(file)
    field.focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Analyse")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".best-guess b")).to_have_text(str(label), timeout=PATIENCE)
    context.close()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_moves_or_overflows_while_answers_change(page: Page, width: int, scheme: str) -> None:
    """Keep images of it in the folder that SCV_SCREENSHOTS names."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of the two

    def places() -> list[float]:
        boxes = [page.locator(name).bounding_box() for name in (".strip", ".bars")]
        return [box["y"] for box in boxes if box is not None]

    page.locator("canvas").scroll_into_view_if_needed()
    draw(page, SEVEN[:1])
    expect(page.locator(".best-guess b")).to_have_text("7")
    before = places()
    page.get_by_role("button", name="Clear").click()
    draw(page, FOUR)
    expect(page.locator(".best-guess b")).to_have_text("4")
    assert places() == before
    expect(page.locator(".htmx-request")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if folder := os.environ.get("SCV_SCREENSHOTS"):
        page.wait_for_timeout(1000)
        page.screenshot(path=Path(folder) / f"try-{scheme}-{width}.png", full_page=True)
