"""How long an edit takes with a network of 60 blocks: on the server, and from letting go of a block to the new page.

    python bench/edit.py [--edits 200] [--drags 30]

The server's time is that of a whole request through the application in this process: reading the form, applying the
operation, checking, committing to SQLite, rendering the editor. Each edit moves a block drawn at random, so hardly any
document comes twice. Beside it, in turn, a bare Litestar page that gives a text of the same length. The drags happen
in Chromium against a real `scv serve`; a drag's time runs from the release of the mouse button to the second frame
after the answer was put into the page. Prints `name value unit` lines.
"""

import argparse
import asyncio
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import httpx
from litestar import Litestar, MediaType, get
from playwright.sync_api import Page, sync_playwright

from scv.blocks.check import check
from scv.blocks.document import Block, Document, encode
from scv.blocks.tree import walk
from scv.data.official.catalogue import find
from scv.db import models, users
from scv.db.engine import Database
from scv.db.migrate import migrate
from scv.settings import ROOT, Settings
from scv.training.settings import TrainingSettings
from scv.web.app import create_app

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]

WARM_UP = 5
"""Edits and drags that are not counted: programs and browsers compile what they meet first."""


def network() -> Document:
    """Sixty blocks: seven residual stages, then a classifier; it has no errors for Digits."""
    blocks: list[Block] = []
    for stage in range(1, 8):
        inside = (
            Block(f"a{stage}", "Conv2d", {"out_channels": 16, "padding": 1}),
            Block(f"b{stage}", "BatchNorm2d"),
            Block(f"c{stage}", "ReLU"),
            Block(f"d{stage}", "Conv2d", {"out_channels": 16, "padding": 1}),
            Block(f"e{stage}", "BatchNorm2d"),
        )
        blocks += [Block(f"r{stage}", "Residual", {}, (inside, ())), Block(f"f{stage}", "ReLU")]
    head = [Block("stem", "Conv2d", {"out_channels": 16, "padding": 1}), Block("bend", "ReLU")]
    tail = [
        Block("drop", "Dropout2d"), Block("pool", "AdaptiveAvgPool2d"), Block("flat", "Flatten"),
        Block("wide", "Linear", {"out_features": 64}), Block("gelu", "GELU"), Block("rest", "Dropout"),
        Block("mid", "Linear", {"out_features": 32}), Block("silu", "SiLU"),
        Block("last", "Linear", {"out_features": 10}),
    ]  # fmt: skip
    document = Document(blocks=(*head, *blocks, *tail))
    assert sum(1 for _ in walk(document.blocks)) == 60
    return document


def report(name: str, milliseconds: Sequence[float]) -> None:
    """The median and the 95th percentile."""
    ordered = sorted(milliseconds)
    print(f"{name}_median {statistics.median(ordered):.2f} ms")
    print(f"{name}_p95 {ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]:.2f} ms", flush=True)


def time_check(times: int) -> list[float]:
    digits = find("digits")
    document = network()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        assert check(document, digits.shape, digits.classes).ok
        taken.append(1000 * (time.perf_counter() - start))
    return taken


async def sign_in(client: httpx.AsyncClient, database: Database) -> str:
    """Sign the client in as the owner; the token that its forms carry."""
    async with database.writing() as session:
        token = await users.create_signin_link(session, minutes=5)
    page = await client.get(f"/sign-in?token={token}")
    return re.findall(r'name="_csrf_token" value="(\w+)"', page.text)[0]


async def time_edits(settings: Settings, edits: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each edit and of each bare page; they take turns."""
    await migrate(settings)
    app = create_app(settings)
    database = Database(settings.database_url)
    async with (
        app.lifespan(),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost", follow_redirects=True
        ) as client,
    ):
        csrf = await sign_in(client, database)
        async with database.writing() as session:
            owner = await users.redeem_signin_link(session, await users.create_signin_link(session, minutes=5))
            model = await models.create_model(session, owner, "Bench", "digits", network(), TrainingSettings())
        address = f"/models/{model.id}/versions/1/operations"
        headers = {"HX-Request": "true", "HX-Target": "editor"}

        async def edit(number: int) -> httpx.Response:
            block, position = moves[number]
            operation = f'{{"op":"move","block":"{block}","position":{position}}}'
            fields = {"_csrf_token": csrf, "revision": number, "block": block, "pane": "block", "operation": operation}
            return await client.post(address, data=fields, headers=headers)

        moves = random_moves(WARM_UP + edits + 1)
        answer = await edit(0)
        assert answer.status_code == 200, answer.status_code

        @get("/", media_type=MediaType.HTML, sync_to_thread=False)
        def page() -> str:
            return answer.text

        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(Litestar([page], openapi_config=None)), base_url="http://localhost"
        ) as bare:
            ours: list[float] = []
            theirs: list[float] = []
            for number in range(1, WARM_UP + edits + 1):
                ours.append(await timed(partial(edit, number)))
                theirs.append(await timed(partial(bare.get, "/")))
    await database.close()
    return ours[WARM_UP:], theirs[WARM_UP:]


def random_moves(count: int) -> list[tuple[str, int]]:
    """Blocks of the trunk that are moved one after the other, each to another position than it has."""
    chance = random.Random(0)  # noqa: S311 - no secret is drawn
    trunk, moves = [block.id for block in network().blocks], []
    while len(moves) < count:
        block = chance.choice([name for name in trunk if name.startswith("f") and name != "flat"])
        position = chance.randrange(2, 16)
        if trunk.index(block) != position:
            trunk.remove(block)
            trunk.insert(position, block)
            moves.append((block, position))
    return moves


async def timed(request: Callable[[], Awaitable[httpx.Response]]) -> float:
    start = time.perf_counter()
    answer = await request()
    taken = 1000 * (time.perf_counter() - start)
    assert answer.status_code == 200, answer.status_code
    return taken


WATCH = """() => {
  window.taken = [];
  let released = null;
  addEventListener("pointerup", () => {
    if (document.body.classList.contains("dragging")) released = performance.now();
  }, true);
  document.addEventListener("htmx:afterSettle", () => {
    if (released === null) return;
    const since = released;
    released = null;
    requestAnimationFrame(() => requestAnimationFrame(() => window.taken.push(performance.now() - since)));
  });
}"""


def time_drags(drags: int) -> list[float]:
    """Milliseconds from release to repaint of drags from the palette to the top of the network."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), port=port, device="cpu")
        environment = {**os.environ, **settings.environment(), "SCV_REDIS_URL": "", "SCV_DATABASE_URL": ""}
        command = [sys.executable, "-m", "scv"]
        server = subprocess.Popen([*command, "serve"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            assert "is running at" in server.stdout.readline()
            answer = subprocess.run(
                [*command, "signin-link"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
            )
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
                page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="en-US")
                page.goto(re.findall(r"http\S+", answer.stdout)[0])
                return drag_blocks(page, drags)
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=30)


def drag_blocks(page: Page, drags: int) -> list[float]:
    page.goto(page.url + "/new")
    page.locator("#name").fill("Bench")
    page.locator("[name=dataset][value=digits]").check()
    page.get_by_role("button", name="Create").click()
    page.wait_for_url("**/versions/1")
    editor = page.url
    page.goto(f"{editor}/import")
    page.locator("#text").fill(encode(network()).decode())
    page.locator("#read").click()
    page.locator("#replace").click()
    page.wait_for_url(f"{editor}?*")
    page.evaluate(WATCH)
    for number in range(WARM_UP + drags):
        page.evaluate("document.getElementById('main').scrollTop = 0")
        chip = page.locator("#add-LeakyReLU").bounding_box()
        first = page.locator("#stack > li").first.bounding_box()
        assert chip is not None
        assert first is not None
        page.mouse.move(chip["x"] + 30, chip["y"] + 10)
        page.mouse.down()
        page.mouse.move(chip["x"] + 44, chip["y"] + 20, steps=4)
        while not page.locator("#stack > .sortable-ghost").count():  # the hand waits until there is a place
            page.mouse.move(first["x"] + 200, first["y"] + 8, steps=10)
            page.mouse.move(first["x"] + 205, first["y"] + 12, steps=3)
            page.wait_for_timeout(50)
        page.mouse.up()
        page.wait_for_function("count => window.taken.length > count", arg=number)
        page.locator("#undo").click()  # so that every drag meets 60 blocks
        page.locator("#piece-leaky_relu1").wait_for(state="detached")
    taken: list[float] = page.evaluate("window.taken")
    return taken[WARM_UP:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--drags", type=int, default=30)
    arguments = parser.parse_args()
    report("check", time_check(500))
    with tempfile.TemporaryDirectory() as folder:
        ours, bare = asyncio.run(time_edits(Settings(data_dir=Path(folder)).resolved(), arguments.edits))
    report("edit_server", ours)
    report("bare_page", bare)
    print(f"edit_over_bare_page {statistics.median(ours) / statistics.median(bare):.1f} times")
    print(f"edit_over_bare_page_least {min(ours) / min(bare):.1f} times", flush=True)
    report("drag_to_repaint", time_drags(arguments.drags))


if __name__ == "__main__":
    main()
