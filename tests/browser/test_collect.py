"""Collecting images in a real browser: camera, drawing, clipboard, dropping, files, and a zip with its progress."""

import base64
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, StorageState, expect, sync_playwright

from tests.browser.conftest import FLAGS, Server, Window
from tests.browser.test_accessibility import violations
from tests.data.image_files import noise, saved
from tests.web.datasets.sending import zipped

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CAMERA = "--use-fake-device-for-media-stream"
"""Chromium's own camera, which shows a clock."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        flags = [*FLAGS, CAMERA, "--host-resolver-rules=MAP scv.test 127.0.0.1"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser, signed_in: StorageState) -> Iterator[BrowserContext]:
    context = browser.new_context(
        storage_state=signed_in,
        viewport={"width": 1280, "height": 900},
        locale="en-US",
        permissions=["camera", "clipboard-read", "clipboard-write"],
    )
    yield context
    context.close()


def begin(window: Window, *names: str) -> None:
    """A new dataset with these classes; its draft is open then, and the last class is the chosen one."""
    page = window.page
    page.goto(f"{window.base}/datasets/new")
    page.locator("#name").fill("Hands")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/collect")
    for name in names:
        page.locator("#class-name").fill(name)
        page.locator("#class-name").press("Enter")
        expect(page.get_by_role("radio", name=name)).to_be_checked()
        expect(page.locator("#class-name")).to_have_value("")


def folder_of(window: Window, server: Server) -> Path:
    number = re.findall(r"/own/(\d+)/", window.page.url)[0]
    return server.settings.data_dir / "files" / "drafts" / number


def count_of(window: Window, name: str) -> int:
    chip = window.page.locator(".pick-one", has_text=name).locator(".figure")
    return int(chip.inner_text())


def files(count: int, start: int = 0) -> list[dict[str, str | bytes]]:
    return [
        {"name": f"{number}.png", "mimeType": "image/png", "buffer": saved(noise(start + number))}
        for number in range(count)
    ]


def until_more(window: Window, name: str, than: int) -> None:
    window.page.wait_for_function(
        """([name, than]) => [...document.querySelectorAll('.pick-one')].some(
             (chip) => chip.innerText.includes(name) && Number(chip.querySelector('.figure').innerText) > than)""",
        arg=[name, than],
    )


def at_rest(window: Window, name: str) -> int:
    """How many images the class has once nothing is on its way."""
    window.page.wait_for_function("() => !document.querySelector('[data-sending]')")
    return count_of(window, name)


@pytest.mark.parametrize("way", ["pointer", "space", "enter"])
def test_the_camera_gives_images_as_long_as_the_button_is_held(window: Window, server: Server, way: str) -> None:
    page = window.page
    begin(window, "paper", "rock")
    hold = page.get_by_role("button", name="Hold to capture")
    expect(hold).to_be_disabled()
    page.get_by_role("button", name="Turn camera on").click()
    expect(hold).to_be_enabled()
    expect(page.locator("[data-said]")).to_have_text("The camera is on.")
    hold.scroll_into_view_if_needed()
    box = hold.bounding_box()
    assert box is not None
    if way == "pointer":
        page.mouse.move(box["x"] + 20, box["y"] + 20)
        page.mouse.down()
    else:
        hold.focus()
        page.keyboard.down(" " if way == "space" else "Enter")
    until_more(window, "rock", 3)
    assert hold.bounding_box() == box
    if way == "pointer":
        page.mouse.up()
    else:
        page.keyboard.up(" " if way == "space" else "Enter")
    count = at_rest(window, "rock")
    page.wait_for_timeout(600)
    assert at_rest(window, "rock") == count
    assert count_of(window, "paper") == 0
    expect(page.locator("#told")).to_contain_text("Images added to rock")
    taken = sorted((folder_of(window, server) / "pictures" / "rock").iterdir())
    assert len(taken) == count
    with Image.open(taken[0]) as image:
        assert (image.format, min(image.size)) == ("JPEG", 320)
    page.get_by_role("button", name="Turn it off").click()
    expect(hold).to_be_disabled()


def test_a_camera_that_was_asked_for_twice_is_off_when_it_is_turned_off(window: Window) -> None:
    page = window.page
    begin(window, "rock")
    page.evaluate("""() => {
        window.given = [];
        const devices = navigator.mediaDevices, ask = devices.getUserMedia.bind(devices);
        devices.getUserMedia = async (wanted) => {
            const stream = await ask(wanted);
            window.given.push(stream);
            return stream;
        };
        const button = document.querySelector("[data-start]");
        button.click();
        button.click();
    }""")
    page.wait_for_function("() => window.given.length === 2")
    expect(page.locator("[data-said]")).to_have_text("The camera is on.")
    page.get_by_role("button", name="Turn it off").click()
    expect(page.locator("[data-said]")).to_have_text("The camera is off.")
    states = page.evaluate("() => window.given.flatMap((stream) => stream.getTracks()).map((one) => one.readyState)")
    assert states == ["ended", "ended"]


def test_a_camera_that_may_not_be_used_is_told(browser: Browser, signed_in: StorageState, server: Server) -> None:
    context = browser.new_context(storage_state=signed_in, locale="en-US")
    window = Window(context.new_page(), server.base)
    begin(window, "rock")
    window.page.get_by_role("button", name="Turn camera on").click()
    expect(window.page.locator("[data-said]")).to_contain_text("does not let this page use the camera")
    context.close()
    assert window.complaints() == []


def test_over_plain_http_the_page_says_that_the_camera_needs_https(browser: Browser, server: Server) -> None:
    context = browser.new_context(locale="en-US")
    window = Window(context.new_page(), server.base.replace("127.0.0.1", "scv.test"), ["Cross-Origin-Opener-Policy"])
    window.page.goto(server.signin_link().replace("127.0.0.1", "scv.test"))
    begin(window, "rock")
    window.page.get_by_role("button", name="Turn camera on").click()
    expect(window.page.locator("[data-said]")).to_contain_text("open this one over https")
    context.close()
    assert window.complaints() == []


def test_where_there_is_no_camera_the_page_says_so(window: Window) -> None:
    """The one that is chosen has been unplugged: no other is taken in its place unasked."""
    page = window.page
    begin(window, "rock")
    page.evaluate("() => document.querySelector('[data-cameras]').replaceChildren(new Option('gone', 'f'.repeat(64)))")
    page.get_by_role("button", name="Turn camera on").click()
    expect(page.locator("[data-said]")).to_have_text("No camera was found. Connect one and try again.")


def stroke(window: Window, *points: tuple[float, float]) -> None:
    canvas = window.page.locator("canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    for number, (x, y) in enumerate(points):
        window.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=5)
        if number == 0:
            window.page.mouse.down()
    window.page.mouse.up()


def test_a_drawing_is_added_and_its_last_stroke_can_be_taken_back(window: Window, server: Server) -> None:
    page = window.page
    begin(window, "one", "cross")
    add = page.get_by_role("button", name="Add the drawing")
    expect(add).to_be_disabled()
    stroke(window, (0.2, 0.2), (0.8, 0.8))
    stroke(window, (0.8, 0.2), (0.2, 0.8))
    stroke(window, (0.1, 0.5), (0.1, 0.5))
    page.keyboard.press("Control+Z")
    add.click()
    expect(page.locator("#told")).to_have_text("Images added to cross: 1.")
    expect(add).to_be_disabled()
    (file,) = (folder_of(window, server) / "pictures" / "cross").iterdir()
    with Image.open(file) as image:
        assert image.size == (320, 320)
        pixels = np.asarray(image.convert("L"))
    for x, y, ink in ((0.3, 0.3, True), (0.7, 0.3, True), (0.5, 0.1, False), (0.1, 0.5, False)):
        assert bool(pixels[int(y * 320), int(x * 320)] < 128) is ink
    stroke(window, (0.2, 0.2), (0.8, 0.8))
    page.get_by_role("button", name="Clear").click()
    expect(add).to_be_disabled()


def test_a_finger_draws_too(browser: Browser, signed_in: StorageState, server: Server) -> None:
    context = browser.new_context(
        storage_state=signed_in, locale="en-US", has_touch=True, viewport={"width": 360, "height": 740}
    )
    window = Window(context.new_page(), server.base)
    begin(window, "dot")
    canvas = window.page.locator("canvas")
    canvas.scroll_into_view_if_needed()
    canvas.tap()
    window.page.get_by_role("button", name="Add the drawing").tap()
    expect(window.page.locator("#told")).to_have_text("Images added to dot: 1.")
    assert window.page.evaluate("document.documentElement.scrollWidth") == 360
    context.close()
    assert window.complaints() == []


def test_an_image_is_pasted_into_the_chosen_class(window: Window, server: Server) -> None:
    page = window.page
    begin(window, "cat", "dog")
    page.get_by_role("radio", name="cat").check()
    page.evaluate(
        """async (text) => {
             const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
             const item = new ClipboardItem({ 'image/png': new Blob([bytes], { type: 'image/png' }) });
             await navigator.clipboard.write([item]);
           }""",
        base64.b64encode(saved(noise(1))).decode(),
    )
    page.keyboard.press("Control+V")
    expect(page.locator("#told")).to_have_text("Images added to cat: 1.")
    (file,) = (folder_of(window, server) / "pictures" / "cat").iterdir()
    with Image.open(file) as image:
        assert np.array_equal(np.asarray(image.convert("RGB")), np.asarray(noise(1)))


DROP = """async ([selector, texts]) => {
  const transfer = new DataTransfer();
  texts.forEach((text, number) => transfer.items.add(
    new File([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], `${number}.png`, { type: 'image/png' })));
  const zone = document.querySelector(selector);
  for (const name of ['dragover', 'drop']) {
    zone.dispatchEvent(new DragEvent(name, { bubbles: true, cancelable: true, dataTransfer: transfer }));
  }
}"""


def test_images_are_dropped_onto_the_card_of_a_class(window: Window) -> None:
    page = window.page
    begin(window, "cat", "dog")
    texts = [base64.b64encode(saved(noise(number))).decode() for number in range(3)]
    page.evaluate(DROP, [".collected", texts])
    expect(page.locator("#told")).to_have_text("Images added to cat: 3.")
    expect(page.get_by_role("radio", name="cat")).to_be_checked()
    expect(page.locator(".collected", has_text="cat").locator(".thumbs img")).to_have_count(3)
    expect(page.locator("#preview tbody tr")).to_have_count(1)


def test_many_files_are_sent_some_at_a_time_and_bad_ones_are_named(window: Window) -> None:
    page = window.page
    begin(window, "cat")
    bad = {"name": "notes.png", "mimeType": "image/png", "buffer": b"no image"}
    page.locator("#add input[type=file]").set_input_files([*files(60), bad])  # type: ignore[list-item]
    until_more(window, "cat", 59)
    expect(page.locator("#told")).to_contain_text("Skipped, images that cannot be read: 1 (notes.png).")
    assert at_rest(window, "cat") == 60
    expect(page.locator(".thumbs img")).to_have_count(12)
    page.get_by_role("button", name="Remove image 60 of cat").click()
    expect(page.get_by_role("button", name="Remove image 60 of cat")).to_have_count(0)
    assert count_of(window, "cat") == 59


def test_all_is_done_by_keyboard(window: Window) -> None:
    page = window.page
    begin(window, "cat", "dog")
    page.get_by_role("radio", name="dog").focus()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("radio", name="cat")).to_be_checked()
    page.locator("#add input[type=file]").set_input_files(files(5))  # type: ignore[arg-type]
    expect(page.locator("#told")).to_have_text("Images added to cat: 5.")
    page.get_by_label("Change the class cat").press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("kitten")
    page.keyboard.press("Enter")
    expect(page.locator(".collected h3")).to_have_text(["dog", "kitten"])
    page.get_by_role("radio", name="64").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#preview .samples").first).to_have_attribute("src", re.compile("size=32"))


def test_the_preview_follows_the_options(window: Window) -> None:
    page = window.page
    begin(window, "cat")
    page.locator("#add input[type=file]").set_input_files(files(2))  # type: ignore[arg-type]
    shown = page.locator("#preview .samples")
    expect(shown).to_have_attribute("src", re.compile("size=64&color=1&fit=crop"))
    page.get_by_role("radio", name="grey").check()
    page.get_by_role("radio", name="pad with white").check()
    page.get_by_label("Another width and height, in pixels").fill("48")
    page.get_by_label("Another width and height, in pixels").press("Tab")
    expect(shown).to_have_attribute("src", re.compile("size=48&color=0&fit=pad"))
    page.wait_for_function("() => document.querySelector('#preview .samples').naturalWidth === 2 * 48 + 6")
    page.reload()
    expect(page.get_by_role("radio", name="grey")).to_be_checked()
    expect(page.get_by_label("Another width and height, in pixels")).to_have_value("48")


def test_a_zip_shows_how_far_it_is_and_can_be_stopped(window: Window, context: BrowserContext, server: Server) -> None:
    page = window.page
    window.expected += ["htmx:afterRequest", "htmx:sendAbort"]  # what htmx says of a request that is stopped
    page.goto(f"{window.base}/datasets/new")
    large = {f"{'ab'[number % 2]}/{number}.png": saved(noise(number, (300, 300))) for number in range(12)}
    content = {"name": "large.zip", "mimeType": "application/zip", "buffer": zipped(large)}
    network = context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 400_000}
    network.send("Network.emulateNetworkConditions", slow)
    page.locator("#zip-file").set_input_files(content)  # type: ignore[arg-type]
    page.get_by_role("button", name="Upload").click()
    bar = page.get_by_role("progressbar")
    expect(bar).to_be_visible()
    page.wait_for_function("() => document.querySelector('progress').value > 0.1")
    expect(page.locator(".progress output")).to_have_text(re.compile(r"^\d+%$"))
    page.get_by_role("button", name="Stop").click()
    expect(bar).to_be_hidden()
    network.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    uploads = server.settings.data_dir / "files" / "uploads"
    page.wait_for_timeout(300)
    assert [path for path in uploads.rglob("*") if path.suffix != ".lock"] == []
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/collect")
    expect(page.get_by_role("heading", level=1)).to_have_text("large")
    expect(page.locator("#preview tbody tr")).to_have_count(2)


def test_a_zip_that_is_refused_says_why_and_the_form_stays(window: Window) -> None:
    page = window.page
    window.expected.append("422")
    page.goto(f"{window.base}/datasets/new")
    page.locator("#zip-name").fill("Pets")
    page.locator("#zip-file").set_input_files({"name": "pets.zip", "mimeType": "application/zip", "buffer": b"no zip"})
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#notices")).to_contain_text("is no zip file, or only a part of one")
    expect(page.locator("#zip-name")).to_have_value("Pets")
    page.evaluate("() => { document.getElementById('zip-form').dataset.most = 5 }")
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#zip-problem")).to_have_text("This is larger than 2,000 MB, the limit for one upload.")


def test_it_works_without_javascript(browser: Browser, signed_in: StorageState, server: Server) -> None:
    context = browser.new_context(storage_state=signed_in, locale="en-US", java_script_enabled=False)
    window = Window(context.new_page(), server.base)
    page = window.page
    begin(window, "cat", "dog")
    page.get_by_role("radio", name="cat").check()
    page.locator("#add input[type=file]").set_input_files(files(2))  # type: ignore[arg-type]
    page.get_by_role("button", name="Add", exact=True).click()
    assert count_of(window, "cat") == 2
    expect(page.get_by_role("radio", name="cat")).to_be_checked()
    page.get_by_role("radio", name="32").check()
    page.get_by_role("button", name="View settings").click()
    expect(page.locator("#preview .samples")).to_have_attribute("src", re.compile("size=32"))
    page.goto(f"{window.base}/datasets/new")
    page.locator("#zip-file").set_input_files({"name": "pets.zip", "mimeType": "application/zip", "buffer": zipped()})
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("pets")
    context.close()
    assert window.complaints() == []


def test_what_was_collected_becomes_a_dataset(window: Window, server: Server) -> None:
    page = window.page
    begin(window, "cat", "dog")
    draft = folder_of(window, server)
    for number, name in enumerate(("cat", "dog")):
        page.get_by_role("radio", name=name).check()
        page.locator("#add input[type=file]").set_input_files(files(6, 100 * number))  # type: ignore[arg-type]
        until_more(window, name, 5)
    page.get_by_role("radio", name="28", exact=True).check()
    page.get_by_role("button", name="Import").click()
    page.wait_for_url(re.compile(r"/datasets/own/\d+(/versions/1)?$"))
    expect(page.get_by_text("28 × 28").first).to_be_visible()
    made = server.settings.data_dir / "datasets" / f"own-{draft.name}-1" / "train_images.npy"
    assert np.load(made).shape == (10, 3, 28, 28)
    assert not draft.exists()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_are_accessible(browser: Browser, signed_in: StorageState, server: Server, theme: str) -> None:
    context = browser.new_context(
        storage_state=signed_in,
        locale="en-US",
        color_scheme=theme,
        permissions=["camera"],  # type: ignore[arg-type]
    )
    window = Window(context.new_page(), server.base)
    page = window.page
    page.goto(f"{server.base}/datasets/new")
    assert violations(window) == []
    begin(window)
    assert violations(window) == []
    begin(window, "cat", "dog")
    page.locator("#add input[type=file]").set_input_files(files(6))  # type: ignore[arg-type]
    expect(page.locator("#preview .samples")).to_have_count(1)
    page.get_by_role("button", name="Turn camera on").click()
    expect(page.get_by_role("button", name="Hold to capture")).to_be_enabled()
    page.get_by_label("Change the class cat").click()
    assert violations(window) == []
    context.close()
    assert window.complaints() == []


def test_classes_are_typed_one_after_the_other(window: Window) -> None:
    begin(window)
    keyboard, field = window.page.keyboard, window.page.locator("#class-name")
    expect(field).to_be_focused()
    for name in ("circle", "square"):
        keyboard.type(name)
        keyboard.press("Enter")
        expect(window.page.get_by_role("radio", name=name)).to_be_checked()
        expect(field).to_have_value("")
    expect(window.page.locator(".pick-one", has_text="circlesquare")).to_have_count(0)
