"""Chromium against a real `scv serve`: one server for all these tests, one browser a file, a fresh window for each."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    StorageState,
    expect,
    sync_playwright,
)

from scv.settings import ROOT, Settings

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip

PATIENCE = 60_000
"""Milliseconds after which a wait has failed; a busy machine takes its time."""

expect.set_options(timeout=PATIENCE)


@dataclass(frozen=True)
class Server:
    base: str
    settings: Settings

    def signin_link(self) -> str:
        command = [sys.executable, "-m", "scv", "signin-link"]
        environment = {**os.environ, **self.settings.environment()}
        answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return re.findall(r"http\S+", answer.stdout)[0]


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory, fork_server: str) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("scv"), port=port, fork_server=fork_server, device="cpu", reports="opened"
    )
    environment = {**os.environ, **settings.environment(), "SCV_REDIS_URL": "", "SCV_DATABASE_URL": ""}
    process = subprocess.Popen(
        [sys.executable, "-m", "scv", "serve"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert "is running at" in line
        yield Server(f"http://127.0.0.1:{port}", settings.resolved())
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ended with each file: while Playwright runs, no asynchronous test can run in the same process."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def signed_in(server: Server, browser: Browser) -> StorageState:
    """The cookies of a browser in which the one-time link was opened."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(server.signin_link())
    assert page.url == f"{server.base}/models"
    state = context.storage_state()
    context.close()
    return state


@dataclass
class Window:
    """A tab with a signed-in owner. Errors in its console fail the test, except for `expected` ones."""

    page: Page
    base: str
    expected: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def complaints(self) -> list[str]:
        return [error for error in self.errors if not any(word in error for word in self.expected)]

    def new_model(self, name: str) -> None:
        """Make a model for Digits; the editor is open then."""
        self.page.goto(f"{self.base}/models/new")
        self.page.get_by_label("What should it be called?").fill(name)
        self.page.locator("[name=dataset][value=digits]").check()
        self.page.get_by_role("button", name="Create").click()
        self.page.wait_for_url("**/versions/1")

    def blocks(self) -> list[str]:
        """The types of the blocks in the stack, from top to bottom."""
        return self.page.locator("#stack > li h3").all_inner_texts()

    def settled(self, *blocks: str) -> None:
        """Wait until the stack holds these blocks and nothing is under way."""
        wanted = list(blocks)
        self.page.wait_for_function(
            """wanted => !document.querySelector('.htmx-request') && JSON.stringify(wanted) ===
               JSON.stringify([...document.querySelectorAll('#stack > li h3')].map(e => e.innerText))""",
            arg=wanted,
        )

    def drag(self, source: Locator, target: Locator, *, below: bool = False, until: str = "") -> None:
        """Press, move and release as a hand does: it lets go when the placeholder `until` has appeared.

        `below` aims at the target's lower edge. The stack makes room for what hovers, so a hand aims again.
        """
        for _ in range(3):
            self._pick_up(source)
            placed = self._carry(target, 0.95 if below else 0.5, until)
            self.page.mouse.up()
            if placed:
                return
        raise AssertionError(f"the dragged block found no place: {until}")

    def _pick_up(self, source: Locator) -> None:
        source.scroll_into_view_if_needed()
        start = source.bounding_box()
        assert start is not None
        x, y = start["x"] + min(start["width"] / 2, 60), start["y"] + start["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + 14, y + 10, steps=5)

    def _carry(self, target: Locator, down: float, until: str) -> bool:
        """Move over the target, again and again, until the placeholder is where it should be."""
        for attempt in range(20):
            end = target.bounding_box()
            assert end is not None
            x, y = end["x"] + end["width"] / 2 + attempt % 2, end["y"] + end["height"] * down
            self.page.mouse.move(x, y, steps=12)
            self.page.wait_for_timeout(80)
            if not until or self.page.locator(until).count():
                return True
        return False

    def drag_chip(self, kind: str) -> None:
        """Drag a block from the palette to the end of the stack."""
        chip = self.page.locator(f"#add-{kind}")
        chip.scroll_into_view_if_needed()
        pieces = self.page.locator("#stack > li")
        if pieces.count():
            last = self.page.locator(f"#{pieces.last.get_attribute('id')}")
            last.scroll_into_view_if_needed()
            self.drag(chip, last, below=True, until=f"#{last.get_attribute('id')} + .sortable-ghost")
        else:
            self.drag(chip, self.page.locator("#stack"), until="#stack > .sortable-ghost")


@pytest.fixture
def context(browser: Browser, signed_in: StorageState) -> Iterator[BrowserContext]:
    context = browser.new_context(storage_state=signed_in, viewport={"width": 1280, "height": 900}, locale="en-US")
    yield context
    context.close()


@pytest.fixture
def window(context: BrowserContext, server: Server) -> Iterator[Window]:
    window = Window(context.new_page(), server.base)
    yield window
    assert window.complaints() == []
