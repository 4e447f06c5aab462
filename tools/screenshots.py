"""Takes the images in docs/img/ anew: starts SCV on a temporary folder and builds a network in Chromium.

.venv/bin/python tools/screenshots.py
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "img"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
BLOCKS = ("Conv2d", "ReLU", "MaxPool2d", "Linear")
SEVEN = ((0.28, 0.2), (0.7, 0.2), (0.58, 0.45), (0.42, 0.85))


def main() -> None:
    with socket.socket() as probe, tempfile.TemporaryDirectory() as folder:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
        probe.close()
        server = subprocess.Popen(
            [sys.executable, "-m", "scv", "serve"],
            cwd=ROOT,
            env={**os.environ, "SCV_DATA_DIR": folder, "SCV_PORT": port},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+token=\S+", server.stdout.readline())
            assert found is not None, "SCV did not start"
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
                take(browser, found[0])
                browser.close()
        finally:
            server.terminate()
            server.wait()


def take(browser: Browser, link: str) -> None:
    """Sign in, build, train, and take an image of each."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, color_scheme="light", locale="en-GB")
    page = context.new_page()
    page.goto(link)
    page.goto(link.split("/sign-in")[0] + "/models/new")
    page.fill("[name=name]", "Digit reader")
    page.check("[name=dataset][value=digits]")
    page.locator("main form button").last.click()
    page.wait_for_selector("img.samples", timeout=30_000)
    for block in BLOCKS:
        page.click(f"#add-{block}")
        page.wait_for_selector(f"#stack >> text={block}")
    page.get_by_role("button", name="Insert Flatten").click()
    page.wait_for_selector("#stack >> text=Flatten")
    page.click("#stack >> text=Conv2d")
    page.wait_for_selector(".formula")
    page.wait_for_timeout(300)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.screenshot(path=IMAGES / f"editor-{scheme}.png")
    page.emulate_media(color_scheme="light")
    page.click("#run")
    page.wait_for_url("**/runs/*")
    page.wait_for_selector("text=test accuracy", timeout=60_000)
    page.screenshot(path=IMAGES / "run-light.png")
    run = page.url
    page.goto(f"{run}/try")
    draw_a_seven(page)
    page.wait_for_selector(".best-guess b", timeout=60_000)
    page.wait_for_timeout(2000)  # for what the network is familiar with
    page.screenshot(path=IMAGES / "try-light.png")
    page.goto(f"{run}/report")
    page.wait_for_selector("text=The report is complete", timeout=300_000)
    page.screenshot(path=IMAGES / "report-light.png")


def draw_a_seven(page: Page) -> None:
    """As one does with a mouse."""
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    points = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in SEVEN]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=8)
    page.mouse.up()


if __name__ == "__main__":
    main()
