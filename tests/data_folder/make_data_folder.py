"""Makes a small data folder (`SCV_DATA_DIR`) that holds every kind of object which SCV stores at migration 0007.

It is where the archive `data-folder-0007.tar.xz` comes from, by which later versions of SCV are tested: they must
open, migrate, show and go on with what is in it. It runs with the code of version 0.1.0 at migration 0007, which is
commit 225714d, and with no later one; it is kept to show where the archive comes from:

    git worktree add OLD 225714d && make -C OLD tests-ready
    OLD/.venv/bin/python make_data_folder.py OUT

OUT is a folder that then holds the archive, whose names are relative to the data folder, and `CONTENTS.md`, which says
object by object what is inside. It takes some minutes and no internet, and needs Linux: it looks into /proc for the
processes that belong to the folder. Ids, names and states are the same each time; moments, tokens, how many epochs a
training has had when it is paused, stopped or killed, and, from one kind of processor to another, the last digits of
accuracies and weights are not.

The story has three parts. First `scv serve` runs as it should, and two people make datasets, models and trainings by
the forms of the pages. Then it runs once more and is killed in the middle of a training, a report, a download and the
making of a dataset. At last only `scv web` runs, so that whatever is asked for waits; it is killed in the middle of an
upload. What the forms of this version cannot make is written by its own tables instead, all of it in `second_user` and
`by_hand`: a second user, a second version of a model, and two sessions and a sign-in link that are good for ten years.
"""

import asyncio
import hashlib
import json
import math
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import numpy as np
from PIL import Image, ImageDraw

from scv.db import users
from scv.db.engine import Database
from scv.db.tables import Model, Session, SigninLink, User, Version, now
from scv.jobs.broker import Broker
from scv.jobs.queue import INTERACTIVE_QUEUE, Queue
from scv.settings import Settings
from scv.web.security import read_secret
from scv.web.visitor import SessionCookie

ARCHIVE = "data-folder-0007.tar.xz"
PATIENCE = 600.0
"""Seconds after which a wait has failed; a busy machine takes its time."""

SECOND = "Minji"
"""The second user, who is not the owner."""

KNOWN = {
    "session of the owner": "the-known-session-of-the-owner",
    "session of the second user": "the-known-session-of-the-second-user",
    "sign-in link": "the-known-sign-in-link",
}
"""Tokens that are no secrets: by them a test can be signed in, and sign in. SCV itself makes random ones."""

TEN_YEARS = timedelta(days=3650)
"""As long as a session can last (`SCV_SESSION_DAYS`)."""

PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")

AT_ONCE = 2**20
"""So many bytes of an upload come together before they are written."""

CONV: dict[str, Any] = {"op": "add", "type": "Conv2d", "params": {"out_channels": 4}}
TINY: tuple[dict[str, Any], ...] = (
    CONV,
    {"op": "add", "type": "ReLU"},
    {"op": "add", "type": "MaxPool2d"},
    {"op": "add", "type": "Flatten"},
)
"""A tiny network without its last layer, whose width depends on the dataset."""


# What is waited for.


def until(what: str, look: Callable[[], Any], every: float = 0.1) -> Any:
    """Wait until `look` gives something, and return that."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(every)
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {what}\n")
    return found


class Folder:
    """The data folder from outside: its database is read, its small files are looked at, its processes are found."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """What the database has, each row by the names of its columns."""
        connection = sqlite3.connect(f"file:{self.path / 'scv.sqlite3'}?mode=ro", uri=True, timeout=30)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(query, values)]
        finally:
            connection.close()

    def one(self, query: str, *values: object) -> Any:
        """The first column of the first row; None where there is none."""
        rows = self.rows(query, *values)
        return next(iter(rows[0].values())) if rows else None

    def status(self, run: int) -> str:
        return str(self.one("SELECT status FROM runs WHERE id = ?", run))

    def epochs(self, run: int) -> int:
        return int(self.one("SELECT count(*) FROM epoch_metrics WHERE run_id = ?", run))

    def said(self, name: str) -> dict[str, Any]:
        """A small JSON file; empty while there is none."""
        try:
            found: dict[str, Any] = json.loads((self.path / name).read_bytes())
        except (OSError, ValueError):
            return {}
        return found

    def sections(self, run: int) -> dict[str, str]:
        """How far each section of a run's report is."""
        report = self.said(f"files/runs/{run}/report/report.json")
        return {section["name"]: section["state"] for section in report.get("sections", ())}

    def processes(self) -> dict[int, str]:
        """The processes of this very folder, and their command lines."""
        mine = f"SCV_DATA_DIR={self.path}".encode()
        found: dict[int, str] = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z" and mine in (process / "environ").read_bytes().split(b"\0"):
                    found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ").strip()
            except OSError:  # it has ended, or is somebody else's
                continue
        return found

    def process(self, program: str) -> int | None:
        """The id of the folder's process whose command line ends with this; None where there is none."""
        return next((pid for pid, line in self.processes().items() if line.endswith(program)), None)

    def signal(self, program: str, number: signal.Signals) -> None:
        """Send that process a signal."""
        pid = self.process(program)
        if pid is None:
            raise RuntimeError(f"{program} has ended already")
        os.kill(pid, number)


# SCV, and people who visit it.


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A real `scv serve`, or another of its commands that answers a browser."""

    def __init__(self, folder: Folder, *command: str, **variables: str) -> None:
        self.folder, port = folder, free_port()
        own = {"SCV_DATA_DIR": str(folder.path), "SCV_PORT": str(port), "SCV_DEVICE": "cpu", "NO_PROXY": ""}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SCV_")}
        self.environment = {**kept, **own, **variables}
        self.address = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scv", *command], env=self.environment, stdout=subprocess.PIPE, text=True
        )

    def link(self) -> str:
        """The sign-in link that it prints when it answers."""
        line = self.process.stdout.readline() if self.process.stdout else ""
        return str(re.findall(r"http\S+token=\S+", line)[0])

    def answers(self) -> None:
        def healthy() -> bool:
            try:
                return httpx.get(f"{self.address}/health", trust_env=False).status_code == 200
            except httpx.HTTPError:
                return False

        until("it answers", healthy)

    def end(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)
        self._ended()

    def kill(self) -> None:
        """Take it away in the middle of what it does, as a power cut would; the kernel ends what it started."""
        self.process.kill()
        self.process.communicate()
        self._ended()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:  # something went wrong: leave nothing behind
            self.end()

    def _ended(self) -> None:
        until("it has ended with all its processes", lambda: not self.folder.processes())


class Browser:
    """A browser without JavaScript."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client = httpx.Client(base_url=server.address, follow_redirects=True, timeout=120, trust_env=False)

    def signed_in(self, token: str) -> "Browser":
        """With the session that this token is of."""
        cookie = SessionCookie(read_secret(self.server.folder.path), 30).write(token)
        self.client.cookies.set(cookie.key, cookie.value or "", domain="127.0.0.1")
        return self

    def get(self, path: str) -> httpx.Response:
        return _good(self.client.get(path))

    def csrf(self) -> str:
        return str(re.findall(r'name="_csrf_token" value="(\w+)"', self.get("/sign-in").text)[0])

    def post(self, path: str, **fields: object) -> str:
        """Post a form; the path of the page that comes then. A name's `__` stands for a colon."""
        data = {name.replace("__", ":"): value for name, value in fields.items()}
        return _good(self.client.post(path, data={"_csrf_token": self.csrf(), **data})).url.path

    def send(self, path: str, files: Sequence[tuple[str, bytes]], **fields: str) -> str:
        """Post a form with files; the path of the page that comes then."""
        parts = [("file", file) for file in files]
        sent = self.client.post(path, data={"_csrf_token": self.csrf(), **fields}, files=parts, follow_redirects=False)
        return self.get(_good(sent).headers["location"]).url.path  # this client would send the form's type along

    # The editor.

    def model(self, name: str, dataset: str, *operations: dict[str, Any]) -> str:
        """A new model with blocks that are added one by one; the path of its first version."""
        path = self.post("/models/new", name=name, dataset=dataset, starter="")
        for operation in operations:
            self.edit(path, operation=json.dumps(operation))
        return path

    def edit(self, path: str, **fields: str) -> None:
        self.post(f"{path}/operations", revision=self._revision(path), **fields)

    def run(self, path: str, **settings: object) -> int:
        """Start a training with these settings; the id of its run, the first of a series."""
        typed = {f"setting:{name}": value for name, value in settings.items()}
        return last_number(self.post(f"{path}/runs", revision=self._revision(path), **typed))

    def _revision(self, path: str) -> int:
        model, number = re.findall(r"\d+", path)
        query = "SELECT revision FROM versions WHERE model_id = ? AND number = ?"
        return int(self.server.folder.one(query, model, number))

    # Datasets.

    def dataset(self, name: str, files: dict[str, bytes]) -> int:
        """A new dataset out of a zip, which waits; its id."""
        return last_number(self.send("/datasets/new/zip", [("pictures.zip", zipped(files))], name=name))

    def make(self, dataset: int, **options: object) -> None:
        """Have a version made of what waits."""
        self.post(f"/datasets/own/{dataset}/make", **options)


def _good(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        raise RuntimeError(f"{answer.request.method} {answer.request.url.path}: {answer.status_code}")
    return answer


def last_number(path: str) -> int:
    """The last number in an address, which is the id of what it is the page of."""
    return int(re.findall(r"\d+", path)[-1])


def last_layer(classes: int) -> dict[str, Any]:
    return {"op": "add", "type": "Linear", "params": {"out_features": classes}}


# Pictures.


def drawn(shape: str, number: int, color: bool = False) -> bytes:
    """A PNG of 16×16 pixels on a dark ground: a bright disk, or something else less bright, elsewhere in each."""
    random = np.random.default_rng([number, *shape.encode()])
    least, most = (190, 256) if shape == "disk" else (80, 140)
    values = tuple(int(value) for value in random.integers(least, most, 3))
    ink: Any = values if color else values[0]
    image = Image.new("RGB" if color else "L", (16, 16), (20, 20, 40) if color else 20)
    left, top = (int(value) for value in random.integers(0, 7, 2))
    box = (left, top, left + 8, top + 8)
    draw = ImageDraw.Draw(image)
    draw.ellipse(box, fill=ink) if shape == "disk" else draw.rectangle(box, fill=ink)
    return png(image)


def large(number: int) -> bytes:
    """A PNG of some thousand bytes that takes a moment to read: 16 million pixels, black above and white below."""
    image = Image.new("1", (4000, 4000), 255)
    image.paste(0, (0, 0, 4000, 100 * (number + 1)))
    return png(image)


def png(image: Image.Image) -> bytes:
    written = BytesIO()
    image.save(written, "PNG", optimize=True)
    return written.getvalue()


def shapes(each: int, color: bool = False) -> dict[str, bytes]:
    """Files of two classes by name."""
    return {
        f"{shape}/{number:03}.png": drawn(shape, number, color)
        for shape in ("disk", "square")
        for number in range(each)
    }


def parted(each: int, **parts: int) -> dict[str, bytes]:
    """The same in colour, with so many pictures of each class in the folder of a part."""
    names = [part for part, count in parts.items() for _ in range(count)]
    files = shapes(each, color=True)
    return {f"{names[int(name[-7:-4])]}/{name}": data for name, data in files.items()}


def posters() -> dict[str, bytes]:
    """Files by name: as many small pictures as are read at a time, and then some that take a while."""
    small = {f"small/{number:03}.png": drawn("disk", number) for number in range(64)}
    return small | {f"tall/{number:03}.png": large(number) for number in range(30)}


def zipped(files: dict[str, bytes]) -> bytes:
    written = BytesIO()
    with ZipFile(written, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return written.getvalue()


# The first part: all is well.


def first_part(folder: Folder) -> None:
    """Two people, their datasets, models and trainings."""
    with Server(folder, "serve") as server:
        owner = Browser(server)
        owner.get(server.link().removeprefix(server.address))
        second = Browser(server).signed_in(asyncio.run(second_user(folder)))
        second.post("/language", language="ko")
        datasets(folder, owner, second)
        trainings_on_digits(folder, owner)
        trainings_on_own(folder, owner, second)
        unfinished(folder, owner)
        refused(folder, owner)
        server.end()


async def second_user(folder: Folder) -> str:
    """A user beside the owner, for whom this version has no form; the token of a session of theirs."""
    async with writing(folder) as session:
        user = User(name=SECOND)
        session.add(user)
        await session.flush()
        return await users.start_session(session, user, days=30)


class writing:  # noqa: N801 - read as a word
    """A transaction on the folder's database by SCV's own tables."""

    def __init__(self, folder: Folder) -> None:
        self._database = Database(Settings(data_dir=folder.path).resolved().database_url)
        self._session = self._database.writing()

    async def __aenter__(self) -> Any:
        return await self._session.__aenter__()

    async def __aexit__(self, *error: Any) -> None:
        await self._session.__aexit__(*error)
        await self._database.close()


def datasets(folder: Folder, owner: Browser, second: Browser) -> None:
    """Own datasets: a private one with a draft, a published one, one that only waits, one that will be deleted."""
    grey: dict[str, object] = {"size": 28, "color": 0, "fit": "crop"}
    mine = owner.dataset("Shapes", shapes(12) | {"disk/notes.txt": b"no picture", "disk/again.png": drawn("disk", 0)})
    owner.make(mine, **grey)
    made(folder, mine, 1)
    owner.post(f"/datasets/own/{mine}/drop", version=1, picture=["train-0", "test-0"])
    made(folder, mine, 2)
    # The third would have a class with too few pictures: it is given up, and its number is not used again.
    owner.post(f"/datasets/own/{mine}/drop", version=2, picture=[f"train-{index}" for index in range(8)])
    until("version 3 is given up", lambda: folder.one("SELECT failure FROM datasets WHERE id = ?", mine))
    for name, count in (("disk", 2), ("ring", 6)):
        owner.post(f"/datasets/own/{mine}/classes", name=name)
        pictures = [(f"{number}.png", drawn(name, 100 + number)) for number in range(count)]
        owner.send(f"/datasets/own/{mine}/pictures", pictures, **{"class": name})

    theirs = second.dataset("Spots", parted(14, train=10, val=2, test=2))
    second.make(theirs, size=28, color=1, fit="pad")
    made(folder, theirs, 1)
    # Its arrays are those of version 1: each file has two names.
    second.post(f"/datasets/own/{theirs}/names", version=1, class__0="Kreis", class__1="사각형")
    made(folder, theirs, 2)
    second.post(f"/datasets/own/{theirs}/publish", published="yes")

    waiting = owner.dataset("Leaves", shapes(6))
    owner.post(f"/datasets/own/{waiting}/options", size=32, color=0, fit="stretch")

    deleted = owner.dataset("Tiles", shapes(12))
    owner.make(deleted, **grey)
    made(folder, deleted, 1)


def refused(folder: Folder, owner: Browser) -> None:
    """A dataset of which nothing stays but a notice, which goes when the page of all datasets is looked at."""
    few = owner.dataset("Too few", shapes(3))
    owner.make(few, size=28, color=0, fit="crop")
    until("a dataset is refused", lambda: folder.one("SELECT id FROM notices"))
    until("nothing is left of it", lambda: not any((folder.path / "datasets").glob(f"*own-{few}-*")))


def made(folder: Folder, dataset: int, number: int) -> None:
    query = "SELECT id FROM dataset_versions WHERE name = ? AND status = 'ready'"
    until(f"own-{dataset}-{number} is made", lambda: folder.one(query, f"own-{dataset}-{number}"))


def ended(folder: Folder, run: int, status: str = "finished") -> None:
    """Wait until the run has ended, and see that it has this status."""
    until(f"run {run} has {status}", lambda: folder.status(run) not in ("queued", "running"))
    if folder.status(run) != status:
        raise RuntimeError(f"run {run} has {folder.status(run)}")


def report_begins(folder: Folder, run: int) -> None:
    """Wait until its first sections are there, but not the longer ones."""
    until(f"the report of run {run} has begun", lambda: folder.sections(run).get("summary") == "done", every=0.02)


def report_ends(folder: Folder, run: int) -> None:
    report = f"files/runs/{run}/report"

    def at_rest() -> bool:
        return bool(folder.sections(run)) and not (folder.path / report / "underway.json").exists()

    until(f"the report of run {run} has ended", at_rest)


def trainings_on_digits(folder: Folder, owner: Browser) -> None:
    """A run with a whole report, a series of two, one that is paused, one that was stopped, one that failed."""
    reader = owner.model("Digit reader", "digits", *TINY, last_layer(10))
    whole = owner.run(reader, epochs=2, batch_size=32, learning_rate=0.005, seed=7)
    ended(folder, whole)
    report_ends(folder, whole)

    series = owner.run(reader, epochs=1, batch_size=32, seed=7, seeds=2, label_smoothing=0.1, shift=1)
    ended(folder, series)
    ended(folder, series + 1)
    report_begins(folder, series)
    owner.post(f"/runs/{series}/report/stop")
    report_begins(folder, series + 1)
    folder.signal(f"scv.jobs.reporting {series + 1}", signal.SIGKILL)
    report_ends(folder, series + 1)

    # After the trainings the network is changed, two changes are taken back, and one of them is done again.
    owner.edit(reader, operation=json.dumps({"op": "set", "block": "conv1", "params": {"out_channels": 8}}))
    owner.edit(reader, operation=json.dumps({"op": "add", "type": "Dropout", "position": 4}))
    for action in ("undo", "undo", "redo"):
        owner.edit(reader, action=action)
    owner.edit(reader, action="copy", block="conv1")

    patient = owner.model("Patient reader", "digits", *TINY, last_layer(10))
    paused = owner.run(patient, epochs=200, batch_size=32, optimizer="AdamW", schedule="cosine", weight_decay=0.01)
    until(f"run {paused} has had two epochs", lambda: folder.epochs(paused) > 1)
    owner.post(f"/runs/{paused}/pause")
    until(f"run {paused} is paused", lambda: folder.status(paused) == "queued")

    stopped = owner.run(patient, epochs=300, batch_size=64, patience=5, rotation=5)
    until(f"run {stopped} has had an epoch", lambda: folder.epochs(stopped))
    owner.post(f"/runs/{stopped}/stop")
    ended(folder, stopped, "stopped")

    failed = owner.run(patient, epochs=3, optimizer="SGD", learning_rate=10, schedule="constant")
    ended(folder, failed, "failed")


def trainings_on_own(folder: Folder, owner: Browser, second: Browser) -> None:
    """Runs on people's own pictures: on an older version, on somebody else's, on those that were deleted since."""
    finder = owner.model("Shape finder", "own-1-1", *TINY, last_layer(2))
    ended(folder, run := owner.run(finder, epochs=20, batch_size=8, learning_rate=0.01))
    report_ends(folder, run)

    spots = second.model("점 찾기", "own-2-2", *TINY, last_layer(2))
    ended(folder, run := second.run(spots, epochs=20, batch_size=8, learning_rate=0.01, flip=True))
    second.post(f"/runs/{run}/report/stop")
    second.edit(spots, action="copy", block="relu1")

    tiles = owner.model("Tile reader", "own-4-1", *TINY, last_layer(2))
    ended(folder, run := owner.run(tiles, epochs=1, batch_size=4))
    owner.post("/datasets/own/4/delete")
    until("no report is made any more", lambda: not folder.process(f"scv.jobs.reporting {run}"))


def unfinished(folder: Folder, owner: Browser) -> None:
    """A model with branches and an error, and one that is deleted with its run: its ids are missing then."""
    branched = owner.model(
        "Unfinished", "digits", CONV, {"op": "add", "type": "Residual"}, {"op": "add", "type": "Linear"}
    )
    owner.edit(branched, operation=json.dumps({"op": "add", "type": "ReLU", "into": "residual1", "branch": 0}))

    gone = owner.model("Gone", "digits", *TINY, last_layer(10))
    run = owner.run(gone, epochs=1)
    ended(folder, run)
    owner.post(f"/runs/{run}/report/stop")
    until("no report is made of it", lambda: not folder.process(f"scv.jobs.reporting {run}"))
    owner.post(f"/models/{last_number(gone.rpartition('/versions')[0])}/delete")


# The second part: it is killed.


def second_part(folder: Folder) -> None:
    """At once a report, a training, a download and the making of a dataset are under way; then all of it is killed."""
    with silent_proxy() as proxy, Server(folder, "serve", **dict.fromkeys(PROXIES, proxy)) as server:
        link = server.link()
        minute = {**server.environment, "SCV_SIGNIN_LINK_MINUTES": "1"}
        subprocess.run([sys.executable, "-m", "scv", "signin-link"], env=minute, stdout=subprocess.DEVNULL, check=True)
        owner = Browser(server)
        owner.get(link.removeprefix(server.address))

        downloading(folder, owner, "fashion-mnist")
        folder.signal("scv.jobs.preparation fashion-mnist", signal.SIGKILL)
        until("its preparation has failed", lambda: folder.said("datasets/fashion-mnist.failed.json"))

        visitor = owner.model("Spot finder", "own-2-1", *TINY, last_layer(2))
        run = owner.run(visitor, epochs=1, batch_size=8)
        ended(folder, run)
        report_begins(folder, run)
        folder.signal(f"scv.jobs.reporting {run}", signal.SIGSTOP)  # so that it surely has not ended below

        long = owner.model("Night reader", "digits", *TINY, last_layer(10))
        run = owner.run(long, epochs=500, batch_size=32)
        until(f"run {run} has had two epochs", lambda: folder.epochs(run) > 1)
        downloading(folder, owner, "cifar10")
        folder.signal("scv.jobs.preparation cifar10", signal.SIGSTOP)
        slow = owner.dataset("Posters", posters())
        owner.make(slow, size=28, color=0, fit="crop")
        until("a dataset is being made", lambda: folder.said(f"datasets/own-{slow}-1.progress.json"), every=0.02)
        server.kill()
    for name in ("datasets/cifar10", f"datasets/own-{slow}-1"):
        if not folder.said(f"{name}.progress.json"):
            raise RuntimeError(f"{name} was made before it could be killed")


def downloading(folder: Folder, browser: Browser, name: str) -> None:
    """Have an official dataset be downloaded, by a process that hears nothing."""
    browser.post(f"/datasets/{name}/samples")

    def begun() -> bool:
        stage = folder.said(f"datasets/{name}.progress.json").get("stage", {})
        return str(stage.get("message", {}).get("template", "")).startswith("Downloading")

    until(f"{name} is being downloaded", begun)


@contextmanager
def silent_proxy() -> Iterator[str]:
    """The address of a proxy that takes connections and never says anything."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


# The third part: nobody is there to work.


def third_part(folder: Folder) -> None:
    """What is asked for while neither workers nor the broker are there, and an upload that is never whole."""
    asyncio.run(by_hand(folder))
    with Server(folder, "web") as server:
        server.answers()
        owner = Browser(server).signed_in(KNOWN["session of the owner"])
        second = Browser(server).signed_in(KNOWN["session of the second user"])

        owner.run(model_called(folder, "Digit reader"), epochs=1, batch_size=32, seed=11, seeds=1)
        finder = model_called(folder, "Shape finder")
        owner.post(f"/runs/{owner.run(finder, epochs=2, batch_size=8, seed=1)}/pause")
        owner.post(f"/runs/{owner.run(finder, epochs=2, batch_size=8, seed=2)}/stop")
        second.run(model_called(folder, "점 찾기"), epochs=1, batch_size=8, seed=3)

        second.post("/datasets/own/2/drop", version=2, picture=["train-1", "test-0"])
        owner.post("/datasets/svhn/samples")
        owner.post("/datasets/svhn/stop")
        owner.post("/datasets/emnist-letters/samples")

        with cut_off_upload(owner, "/datasets/own/3/zip"):
            uploads = folder.path / "files" / "uploads"
            until("an upload has begun", lambda: any(path.stat().st_size for path in uploads.rglob("0*")))
            server.kill()


def model_called(folder: Folder, name: str) -> str:
    """The path of the first version of the model of this name."""
    model = folder.one("SELECT id FROM models WHERE name = ?", name)
    return f"/models/{model}/versions/1"


async def by_hand(folder: Folder) -> None:
    """What the forms of this version cannot make: a model's second version, and tokens that are known and last."""
    async with writing(folder) as session:
        model = await session.get_one(Model, 1)
        first = await session.get_one(Version, 1)
        session.add(Version(model_id=model.id, number=2, document=first.document, settings=first.settings))
        for user, name in ((1, "session of the owner"), (2, "session of the second user")):
            session.add(Session(token_hash=hash_of(KNOWN[name]), user_id=user, expires_at=now() + TEN_YEARS))
        session.add(SigninLink(token_hash=hash_of(KNOWN["sign-in link"]), expires_at=now() + TEN_YEARS))


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@contextmanager
def cut_off_upload(browser: Browser, path: str) -> Iterator[None]:
    """A form with a file, of which only the beginning is sent."""
    head = (
        f'--x\r\nContent-Disposition: form-data; name="_csrf_token"\r\n\r\n{browser.csrf()}\r\n'
        '--x\r\nContent-Disposition: form-data; name="file"; filename="more.zip"\r\n\r\n'
    ).encode()
    body = head + zipped(shapes(4)).ljust(AT_ONCE, b"\0")
    url = httpx.URL(browser.server.address)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())
    with socket.create_connection((url.host, url.port or 80)) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nCookie: {cookies}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9000000\r\n\r\n".encode()
        )
        connection.sendall(body)
        yield


# The archive.


def tidy(folder: Folder) -> None:
    """Take out what belongs to the machine, and put the database and the broker's file into one piece each."""
    asyncio.run(tidy_broker(folder))
    connection = sqlite3.connect(folder.path / "scv.sqlite3")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    for path in (folder.path / "logs").iterdir():
        path.unlink()
    (folder.path / "lock").unlink()
    for path in folder.path.rglob("*.sock"):
        path.unlink()


async def tidy_broker(folder: Folder) -> None:
    """Have the broker forget what names the machine, and write its file anew.

    These are the workers, who forget themselves, and the news of the runs, which it keeps for half a day. Jobs would be
    forgotten after a day; they stay, but for the download, which would begin as soon as the folder is used.
    """
    async with Broker(folder.path, folder.path / "logs" / "broker.log") as broker:
        queue = Queue.open(Settings(data_dir=folder.path, redis_url=broker.url).resolved())
        redis = queue.redis
        for pattern in ("scv:worker:*", "run:*", "*:prepare:cifar10"):
            async for key in redis.scan_iter(match=pattern):
                await redis.delete(key)
        await redis.zrem(INTERACTIVE_QUEUE, "prepare:cifar10")
        async for key in redis.scan_iter(match="arq:job:*"):
            await redis.persist(key)
        await redis.bgrewriteaof()
        while True:
            state = await redis.info("persistence")
            if not state["aof_rewrite_in_progress"] and not state["aof_rewrite_scheduled"]:
                break
            await asyncio.sleep(0.1)
        await queue.close()


def refuse_leaks(folder: Folder) -> None:
    """Raise an error where a file holds a path or the name of this machine."""
    here = Path(sys.prefix).parent
    told = {str(folder.path), str(here), str(Path.home()), socket.gethostname(), tempfile.gettempdir()}
    words = [word.encode() for word in told if len(word) > 4 or word.startswith("/tmp")]  # noqa: S108
    for path in folder.path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for word in words:
                if word in content:
                    raise RuntimeError(f"{path.relative_to(folder.path)} holds {word!r}")


def pack(folder: Folder, archive: Path) -> None:
    """Everything below the folder, by relative names, as nobody's."""

    def nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mtime = math.floor(entry.mtime)
        return entry

    with tarfile.open(archive, "w:xz", preset=9, format=tarfile.PAX_FORMAT) as packed:
        for path in sorted(folder.path.iterdir()):
            packed.add(path, path.name, filter=nobodys)


# What is inside.


def contents(folder: Folder, archive: Path) -> str:
    """CONTENTS.md, as it follows from the folder."""
    rows = folder.rows
    size = archive.stat().st_size
    version, commit = folder.one("SELECT version_num FROM alembic_version"), "225714d"
    names = rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
    counts = [{"table": n["name"], "rows": folder.one(f'SELECT count(*) FROM "{n["name"]}"')} for n in names]  # noqa: S608
    return "\n".join(
        (
            f"# What `{ARCHIVE}` holds",
            "",
            f"A data folder (`SCV_DATA_DIR`) as commit {commit} leaves it, at migration {version}, made by",
            f"`make_data_folder.py`, which wrote this page as well. The archive has {size:,} bytes, and its names are",
            "relative to the data folder. Of hashes only the beginning is told.",
            "",
            *section("Tables", "", counts),
            *section(
                "Users and sessions",
                SIGNING_IN,
                rows("SELECT id, name, owner, language FROM users"),
                rows(SESSIONS),
                rows(LINKS),
            ),
            *section(
                "Own datasets",
                OWN_DATASETS,
                rows(
                    "SELECT id, user_id AS user, name, image_size AS size, color, fit, last_number, "
                    "published_at IS NOT NULL AS published, deleted_at IS NOT NULL AS deleted, failure FROM datasets"
                ),
                rows(
                    "SELECT id, name, status, class_names AS classes, train, validation, test, bytes, "
                    "substr(hash, 1, 19) AS hash, changes FROM dataset_versions"
                ),
                rows("SELECT id, user_id AS user, text FROM notices"),
            ),
            *section(
                "Models",
                MODELS,
                rows("SELECT id, user_id AS user, name, dataset FROM models"),
                [{**row, "document": chain(row["document"])} for row in rows(VERSIONS)],
                rows("SELECT user_id AS user, blocks AS clipboard FROM clipboards"),
            ),
            *section("Runs", RUNS, *runs_of(folder)),
            *section("Files", FILES, files_of(archive)),
        )
    )


SIGNING_IN = f"""\
User 1 is the owner. Two sessions and a sign-in link are good for ten years, and their tokens are no secrets:

| what | token | user |
| --- | --- | --- |
| session 4 | `{KNOWN["session of the owner"]}` | 1 |
| session 5 | `{KNOWN["session of the second user"]}` | 2 |
| sign-in link 3 | `{KNOWN["sign-in link"]}` | whoever opens it becomes user 1 |

A browser's cookie comes of a token by `SessionCookie(read_secret(data_dir), days).write(token)`; the address of the
link is `/sign-in?token=TOKEN`. The other tokens are random and known to nobody. Link 1 was used, link 2 was not and was
good for a minute; whoever makes the next link clears both away. The first three sessions were good for 30 days."""

SESSIONS = """\
SELECT id, user_id AS user, created_at AS since, expires_at AS until, substr(token_hash, 1, 8) AS hash FROM sessions"""

LINKS = """\
SELECT id, expires_at AS until, used_at AS used, substr(token_hash, 1, 8) AS hash FROM signin_links"""

OWN_DATASETS = """\
- 1 is private and has two versions, of which the second lacks two pictures. A third could not be made (`failure`) and
  took the number 3 with it. A draft of single pictures waits: 2 of `disk`, 6 of `ring`, which is a new class.
- 2 is the second user's and published. Its pictures came in parts of their own, so its resident forms have
  `validation.npy`. Version 2 renames the classes; its arrays are those of version 1 (hard links, also in the archive).
  Version 3, of version 2 without two pictures, waits to be made and was never begun.
- 3 has no version: a zip of two classes with six pictures each waits, and size, colour and fit are chosen.
- 4 was deleted after run 9 had used it: its name, its classes' names, its hash, its files and the report are gone.
- 5 was refused when it was to be made and is no more; notice 1 tells its owner why, who has not looked since.
- 6 was being made for the first time when everything was killed: the row waits, the zip is there, half was written."""

MODELS = """\
Model 7 was deleted with its run 10, so both ids are missing. Model 3 learns from a version that is not the newest,
model 5 from a dataset that was deleted, model 8, the owner's, from the second user's dataset. Model 6 has errors.
`back` and `on` say how many changes can be undone and done again. Version 2 of model 1 was written without the pages,
which cannot make one, and so has no history."""

VERSIONS = """\
SELECT v.id, v.model_id AS model, v.number, v.revision, v.step,
  (SELECT count(*) FROM document_states s WHERE s.version_id = v.id AND s.step < v.step) AS back,
  (SELECT count(*) FROM document_states s WHERE s.version_id = v.id AND s.step > v.step) AS "on",
  v.document FROM versions v"""

RUNS = """\
Figures are as the database has them; `changed` says that the version's document is another one by now. Where workers
are there, these go on by themselves: 12, whose worker was killed and whose lease has run out, as attempt 2 from its
checkpoint, and 13 and 16 from the start. 4 (paused after some epochs) and 14 (paused before it began) go on when
their user says so. 2 and 3 are a series. 5 was stopped in its training, 15 before it began. The reports: 1 and 7 have
one that is whole, that of 2 and of 8 was stopped, that of 3 failed (its process was killed, and the worker said so),
that of 11 was being made when everything was killed, that of 9 went with its dataset. `weights` and `checkpoints` are
files; the rows of 4 and 12 name no weights yet."""

RUN_ROWS = """\
SELECT r.id, m.user_id AS user, m.id AS model, v.number AS version, r.dataset, r.status, r.paused, r.series, r.attempt,
  r.stop_requested AS stop, r.failure_code AS failure,
  (SELECT count(*) FROM epoch_metrics e WHERE e.run_id = r.id) AS epochs, r.best_epoch AS best,
  r.test_accuracy, r.test_loss, r.parameters, r.device, r.document != v.document AS changed, r.settings
FROM runs r JOIN versions v ON v.id = r.version_id JOIN models m ON m.id = v.model_id ORDER BY r.id"""

FILES = """\
- `secret.key`: the installation's secret, made for this folder alone; only its user may read it (0600).
- `scv.sqlite3`: the whole database; what stood in its WAL is in it.
- `broker/`: the jobs that were in the broker's queues when it was killed: the training of run 12, the report of run 11
  and the making of own-6-1, without the time after which they run out. arq's marks that they are in progress have
  theirs, of hours or days.
- `datasets/{name}/`: resident forms, of digits and of the versions that are ready.
- `datasets/fashion-mnist.failed.json`: the preparation was killed, and the worker said so;
  `datasets/fashion-mnist.progress.json` is what the process had said last.
- `datasets/cifar10.progress.json`: process and worker were killed while it was downloaded. Its page, and that of
  emnist-letters, ask for another download where workers are there.
- `datasets/emnist-letters.progress.json`: asked for while no worker was there.
- `datasets/svhn.stop`: asked for, then stopped, while no worker was there.
- `datasets/own-6-1.progress.json`: killed while it was made, after 64 of 94 pictures; `datasets/.own-6-1-*` is the
  folder with what was written until then, and `.cifar10-in-*` and `.fashion-mnist-in-*` are those of downloads.
- `files/runs/{id}/`: weights, report, and of 4 and 12 the checkpoints, with the lock and the scratch folder.
- `files/drafts/{id}/`: the drafts of datasets 1, 3 and 6.
- `files/uploads/1/00000`: the web process was killed in the middle of an upload; 1 MiB, nearly all of it zeros.

Left out are the logs, which hold paths of the machine (`logs/` is empty), the supervisor's `lock`, the broker's socket,
its keys that hold the machine's name (workers) or its paths (the news of runs, kept for half a day), its job of the
download, and all official datasets but digits: their files are taken by their checksums alone, so there are no small
ones.

Every file, those of a report together:"""


def section(title: str, text: str, *tables: list[dict[str, Any]]) -> Iterator[str]:
    yield from (f"## {title}", "")
    if text:
        yield from (text, "")
    for rows in tables:
        yield from (*table(rows), "")


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Rows, of which there are some, as a table; JSON stands as code."""
    yield f"| {' | '.join(rows[0])} |"
    yield f"| {' | '.join('---' for _ in rows[0])} |"
    for row in rows:
        yield f"| {' | '.join(cell(value) for value in row.values())} |"


def cell(value: object) -> str:
    if value is None:
        return "–"
    text = str(value).replace("|", "\\|")
    return f"`{text}`" if text.startswith(("{", "[")) else text


def chain(document: str) -> str:
    """The blocks of a document, briefly."""

    def written(blocks: list[dict[str, Any]]) -> str:
        return ", ".join(one(block) for block in blocks)

    def one(block: dict[str, Any]) -> str:
        values = ", ".join(f"{name}={value}" for name, value in block.get("params", {}).items())
        branches = "".join(f" [{written(branch)}]" for branch in block.get("branches") or ())
        return f"{block['id']} {block['type']}({values}){branches}"

    return written(json.loads(document)["blocks"])


def runs_of(folder: Folder) -> tuple[list[dict[str, Any]], ...]:
    """The runs, what they were trained with, and what they left."""
    runs = folder.rows(RUN_ROWS)
    told = [{"run": run["id"], "settings": run.pop("settings")} for run in runs]
    left = []
    for run in runs:
        place = folder.path / "files" / "runs" / str(run["id"])
        sections = folder.sections(run["id"])
        done = [name for name, state in sections.items() if state == "done"]
        states = {"underway.json": "under way", "stopped": "stopped", "failure.json": "failed"}
        state = next((word for name, word in states.items() if (place / "report" / name).exists()), "")
        left.append(
            {
                "run": run["id"],
                "weights": "yes" if (place / "weights.safetensors").exists() else "no",
                "checkpoints": len(list(place.glob("checkpoint*"))),
                "report": state or ("whole" if sections else "none"),
                "sections": f"{len(done)} of {len(sections)}" if sections else "–",
            }
        )
    failed = folder.rows("SELECT id AS run, failure_message FROM runs WHERE failure_message IS NOT NULL")
    return runs, told, left, failed


def files_of(archive: Path) -> list[dict[str, Any]]:
    """Every file, those of a report together; and folders that are empty."""
    found: dict[str, tuple[int, int | str]] = {}
    with tarfile.open(archive) as packed:
        members = packed.getmembers()
    parents = {str(Path(member.name).parent) for member in members}
    for member in members:
        name = member.name
        if member.isdir():
            if name not in parents:
                found[f"{name}/"] = (0, 0)
        elif member.islnk():
            found[name] = (1, f"is `{member.linkname}`")
        elif "/report/" in name:
            name = f"{name.partition('/report/')[0]}/report/"
            count, size = found.get(name, (0, 0))
            found[name] = (count + 1, int(size) + member.size)
        else:
            found[name] = (1, member.size)
    return [{"path": f"`{name}`", "files": count, "bytes": size} for name, (count, size) in found.items()]


def main() -> None:
    out = Path(sys.argv[1]).resolve()
    out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with tempfile.TemporaryDirectory(prefix="scv-") as place:
        folder = Folder(Path(place) / "data")
        first_part(folder)
        second_part(folder)
        third_part(folder)
        tidy(folder)
        refuse_leaks(folder)
        pack(folder, out / ARCHIVE)
        (out / "CONTENTS.md").write_text(contents(folder, out / ARCHIVE))


if __name__ == "__main__":
    main()
