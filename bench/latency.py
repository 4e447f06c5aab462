"""How long it takes from a click on "Train" to the first sign of progress, and how many can watch a training.

    python bench/latency.py [--samples 20] [--watchers 200] [--seconds 10]

Everything is real: `scv serve` on a temporary folder, the forms and event streams of its pages, trainings on
Digits. A click is the post of the run's form, the page that it leads to, and its event stream, until the first
fragment that shows a trained batch; the training child is warm, as it is for anybody who does not click twice
within seconds. Prints `name value unit` lines. The watchers and the server share this machine's cores.
"""

import argparse
import asyncio
import os
import re
import signal
import socket
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from scv.blocks.document import Block, Document
from scv.db import models
from scv.db.engine import Database
from scv.db.tables import Run, User, Version
from scv.settings import ROOT, Settings
from scv.training.settings import TrainingSettings

NETWORK = Document(blocks=(Block("f1", "Flatten"), Block("l1", "Linear", {"out_features": 10})))
SHORT = TrainingSettings(epochs=3)
LONG = TrainingSettings(epochs=500, batch_size=1)
TRAINED_BATCH = 'class="now"'
"""Stands in a fragment from the first trained batch on."""


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A running SCV, and a browser that is signed in."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scv", "serve", cwd=ROOT, env={**os.environ, **settings.environment()}, stdout=PIPE
    )
    assert server.stdout is not None
    try:
        link = (await server.stdout.readline()).decode().split()[-1]
        base = f"http://127.0.0.1:{settings.port}"
        async with httpx.AsyncClient(base_url=base, follow_redirects=True, timeout=60) as client:
            (await client.get(link)).raise_for_status()
            yield client
    finally:
        server.send_signal(signal.SIGINT)
        await server.wait()


async def add_version(database: Database, training: TrainingSettings) -> Version:
    async with database.writing() as session:
        user = await session.get_one(User, 1)
        model = await models.create_model(session, user, "Net", "digits", NETWORK, training)
        return model.versions[0]


async def click(client: httpx.AsyncClient, version: Version) -> tuple[str, float]:
    """Post the run's form; the path of the page that it leads to, and when that began."""
    page = f"/models/{version.model_id}/versions/{version.number}"
    token = re.findall(r'name="_csrf_token" value="(\w+)"', (await client.get(page)).text)[0]
    began = time.perf_counter()
    answer = await client.post(f"{page}/runs", data={"_csrf_token": token, "revision": str(version.revision)})
    answer.raise_for_status()
    return answer.url.path, began


async def until_ended(database: Database, path: str) -> None:
    while True:
        async with database.reading() as session:
            run = await session.get_one(Run, int(path.rsplit("/", 1)[1]))
        if not run.active:
            assert run.status in ("finished", "stopped"), run.failure
            return
        await asyncio.sleep(0.1)


async def click_to_progress(client: httpx.AsyncClient, database: Database, version: Version) -> float:
    """Seconds from the post to the first fragment with a trained batch."""
    path, began = await click(client, version)
    async with client.stream("GET", f"{path}/events") as answer:
        async for line in answer.aiter_lines():
            if TRAINED_BATCH in line:
                break
    seconds = time.perf_counter() - began
    await until_ended(database, path)
    return seconds


async def watch(host: str, port: int, path: str, cookie: str, counts: list[int], number: int) -> None:
    """One watcher: counts the fragments it gets."""
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
    writer.write(f"GET {path}/events HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookie}\r\n\r\n".encode())
    try:
        while line := await reader.readline():
            counts[number] += line.startswith(b"event: progress")
    finally:
        writer.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--samples", type=int, default=20, help="clicks that are timed")
    parser.add_argument("--watchers", type=int, default=200, help="browsers that watch one training")
    parser.add_argument("--seconds", type=float, default=10, help="how long they watch")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        settings = Settings(data_dir=Path(folder) / "data", port=port, device="cpu").resolved()
        database = Database(settings.database_url)
        async with serving(settings) as client:
            short, long = await add_version(database, SHORT), await add_version(database, LONG)
            await click_to_progress(client, database, short)  # makes the dataset's resident form
            times = []
            for _ in range(options.samples):
                await asyncio.sleep(5)  # until the next child is warm
                times.append(await click_to_progress(client, database, short))
            print(f"click_to_progress_p50 {statistics.median(times):.2f} s")
            print(f"click_to_progress_p95 {statistics.quantiles(times, n=20)[-1]:.2f} s")

            path, _ = await click(client, long)
            cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
            counts = [0] * options.watchers
            watching = [
                asyncio.create_task(watch("127.0.0.1", port, path, cookie, counts, n)) for n in range(options.watchers)
            ]
            while not all(counts):  # noqa: ASYNC110 - other programs are waited for
                await asyncio.sleep(0.1)
            before, began = list(counts), time.perf_counter()
            await asyncio.sleep(options.seconds)
            seconds = time.perf_counter() - began
            got = [(now - then) / seconds for now, then in zip(counts, before, strict=True)]
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
            print(f"sse_watchers {options.watchers} browsers")
            print(f"sse_events_per_second {sum(got):.0f} 1/s")
            print(f"sse_events_per_watcher_least {min(got):.2f} 1/s")
        await database.close()


if __name__ == "__main__":
    asyncio.run(main())
