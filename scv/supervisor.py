"""`scv serve`: starts broker, web process and workers, starts them again when they die, and ends them together."""

import asyncio
import fcntl
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TextIO
from urllib.parse import quote, urlsplit

from scv.db.engine import Database
from scv.db.migrate import migrate
from scv.db.users import create_signin_link
from scv.errors import RefusedError
from scv.jobs.broker import Broker, is_embedded
from scv.jobs.broker_url import refuse_absent_broker
from scv.jobs.fork_server_supervisor import FORKS, listening_socket, start_fork_server
from scv.jobs.subprocesses import start
from scv.message import say
from scv.settings import Settings
from scv.starting import make_data_dir, refuse_busy_port

START_SECONDS = 60.0
DEATHS_AT_START = 3
STOP_SECONDS = 6.0
"""How long a process may take to end before it is killed."""

SHORTEST_PAUSE = 0.25
LONGEST_PAUSE = 10.0
STEADY_SECONDS = 5.0
"""The pause before a restart doubles each time. It is short again after the process has run for `STEADY_SECONDS`."""

LOOK_SECONDS = 2.0
HANGS_SECONDS = 10.0
"""How often the broker is checked, and after how long without an answer it counts as hung."""

LOG_BYTES = 10_000_000


def serve(settings: Settings) -> int:
    """Run everything until SIGINT, SIGTERM or SIGHUP; returns the exit status.

    Raises `RefusedError`, one line for the user, when something is in the way.
    """
    make_data_dir(settings)
    with _only_one(settings.data_dir):
        refuse_busy_port(settings)
        (settings.data_dir / "logs").mkdir(exist_ok=True)
        return asyncio.run(_serve(settings))


@contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    """Hold the lock of the folder. The kernel releases it however this process ends."""
    with (data_dir / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(
                say("SCV is running on {folder} already. Stop it first, or set SCV_DATA_DIR.", folder=str(data_dir))
            ) from None
        yield


def address(settings: Settings) -> str:
    """The URL of the pages for a browser on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - shown only
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


async def new_signin_link(settings: Settings) -> str:
    """The URL of a new one-time sign-in link. The database is created where there is none."""
    await migrate(settings)
    database = Database(settings.database_url)
    try:
        async with database.writing() as session:
            token = await create_signin_link(session, minutes=settings.signin_link_minutes)
    finally:
        await database.close()
    return f"{address(settings)}/sign-in?token={quote(token)}"


async def _serve(settings: Settings) -> int:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    link = await new_signin_link(settings)
    async with AsyncExitStack() as stack:
        if is_embedded(settings):
            broker = Broker(settings.data_dir, _log_file(settings, "broker"))
            stack.push_async_callback(broker.close)
            await broker.start()
            settings = replace(settings, redis_url=broker.url)
            await stack.enter_async_context(_running(stopped, _keep_broker(broker)))
        else:
            await refuse_absent_broker(settings)
        if FORKS and not settings.fork_server:
            listening = stack.enter_context(listening_socket())
            settings = replace(settings, fork_server=listening.getsockname())
            fork_server = _Program(
                "fork server", partial(start_fork_server, listening), _log_file(settings, "fork-server")
            )
            await stack.enter_async_context(_running(stopped, fork_server.keep()))
        web, training, interactive = (
            _Program(name, partial(_start_scv, settings, *command), _log_file(settings, log))
            for name, log, *command in (
                ("web process", "web", "web"),
                ("training worker", "worker-train", "worker", "--queue", "train"),
                ("interactive worker", "worker-interactive", "worker", "--queue", "interactive"),
            )
        )
        await stack.enter_async_context(_running(stopped, web.keep(), training.keep(), interactive.keep()))
        if await _answers(settings, web, stopped):
            _tell(sys.stdout, f"SCV is running at {address(settings)} - sign in once with {link}")
            await stopped.wait()
    return 0


@asynccontextmanager
async def _running(stopped: asyncio.Event, *works: Coroutine[None, None, NoReturn]) -> AsyncIterator[None]:
    """Run coroutines while the block runs. At its end they are cancelled and awaited.

    None of them should end by itself. One that does sets `stopped`; its error is raised at the end as `RefusedError`.
    """
    tasks = [asyncio.create_task(work) for work in works]
    for task in tasks:
        task.add_done_callback(lambda _: stopped.set())
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        endings = await asyncio.gather(*tasks, return_exceptions=True)
    for ending in endings:
        if isinstance(ending, Exception):
            raise RefusedError(
                say("SCV had to stop because of an error in the program ({why}).", why=repr(ending))
            ) from ending


async def _answers(settings: Settings, web: "_Program", stopped: asyncio.Event) -> bool:
    """Wait until the pages are served. False where SCV is stopped before. Raises `RefusedError` after a time-out."""
    with suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while web.deaths < DEATHS_AT_START:
                if stopped.is_set():
                    return False
                if await _is_healthy(settings):
                    return True
                await asyncio.sleep(0.05)
    raise RefusedError(say("The web process does not start; {log} says why.", log=str(web.log)))


async def _is_healthy(settings: Settings) -> bool:
    parts = urlsplit(address(settings))
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except OSError:
        return False
    try:
        writer.write(f"GET /health HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


class _Program:
    """One process of SCV. It is started again whenever it ends; `start` gets its log as stdout and stderr."""

    def __init__(self, name: str, start: Callable[..., Awaitable[Process]], log: Path) -> None:
        self.name = name
        self.log = log
        self.deaths = 0
        self._start_with = start

    async def keep(self) -> NoReturn:
        """Keep the process running until this is cancelled, then end it."""
        clock = asyncio.get_running_loop().time
        pause = SHORTEST_PAUSE
        while True:
            begun = clock()
            try:
                process = await self._start()
            except OSError as error:
                pause = min(2 * pause, LONGEST_PAUSE)
                _tell(sys.stderr, f"SCV: the {self.name} cannot be started now and is tried again: {error}")
                await asyncio.sleep(pause)
                continue
            try:
                status = await process.wait()
            finally:
                await _end(process)
            self.deaths += 1
            _tell(sys.stderr, f"SCV: the {self.name} ended with status {status} and is started again: {self.log}")
            pause = SHORTEST_PAUSE if clock() - begun > STEADY_SECONDS else min(2 * pause, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _start(self) -> Process:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            return await self._start_with(stdout=log, stderr=log)


async def _start_scv(settings: Settings, *arguments: str, **options: Any) -> Process:
    return await start(
        "scv",
        *arguments,
        environment=settings.environment(),
        stdin=DEVNULL,
        # A session of its own, so that Ctrl-C in the terminal reaches the supervisor alone; it ends the others.
        start_new_session=True,
        **options,
    )


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _keep_broker(broker: Broker) -> NoReturn:
    while True:
        happened = await _failure_of(broker)
        _tell(sys.stderr, f"SCV: the broker {happened} and is started again: {broker.log}")
        await asyncio.sleep(SHORTEST_PAUSE)
        await _start_again(broker)


async def _failure_of(broker: Broker) -> str:
    """Wait until the broker has ended or hangs. A hung broker is killed. Returns what happened."""
    while True:
        with suppress(TimeoutError):
            return f"ended with status {await asyncio.wait_for(broker.wait(), LOOK_SECONDS)}"
        if not await broker.answers_within(HANGS_SECONDS):
            await broker.kill()
            return f"did not answer for {HANGS_SECONDS:.0f} s"


async def _start_again(broker: Broker) -> None:
    pause = SHORTEST_PAUSE
    while True:
        try:
            await broker.start()
            return
        except (OSError, RefusedError) as error:
            pause = min(2 * pause, LONGEST_PAUSE)
            _tell(sys.stderr, f"SCV: the broker cannot be started now and is tried again: {error}")
        await asyncio.sleep(pause)


def _log_file(settings: Settings, name: str) -> Path:
    """The log file of a process. A large one is renamed to `.log.1`, which replaces an older `.log.1`."""
    path = settings.data_dir / "logs" / f"{name}.log"
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path


def _tell(stream: TextIO, line: str) -> None:
    # The processes go on where the terminal was closed.
    with suppress(OSError, ValueError):
        stream.write(f"{' '.join(line.split())}\n")
        stream.flush()
