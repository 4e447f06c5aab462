"""Processes of our own that run beside this one: started, counted, and ended with it, however it ends.

Those that work are forked by a fork server where there is one, since most of them need torch.
"""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, NoReturn, Self

import structlog

from scv.jobs.fork_client import ForkedProcess, fork
from scv.jobs.parent_death import end_with_parent
from scv.log import context_for_child
from scv.settings import ROOT, Settings, environment_without_secrets

LINE_LIMIT = 1 << 20
"""The longest line, in bytes, that a process may write."""

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_STEADY_SECONDS = 5.0
"""The pause before a process is started again doubles each time, until it has lived for so long."""

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


class Subprocess:
    """A process at work: `writer` leads to its standard input, `reader` has what it writes to its standard output."""

    def __init__(self, process: Process | ForkedProcess, pipes: "_Pipes") -> None:
        self.pid = process.pid
        self.reader = pipes.reader
        self.writer = pipes.writer
        self._process = process
        self._pipes = pipes

    @property
    def returncode(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.returncode

    async def wait(self) -> int:
        """The exit status; negative for a signal."""
        return await self._process.wait()

    def send_signal(self, number: int) -> None:
        """Send a signal; a process that is gone gets none."""
        if self.returncode is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once."""
        if self.returncode is None:
            self._process.kill()

    def close(self) -> None:
        """Let go of its standard streams."""
        self._pipes.close()


class _Pipes(NamedTuple):
    """This process's ends of another one's standard streams."""

    reader: asyncio.StreamReader
    writer: asyncio.WriteTransport
    reading: asyncio.ReadTransport

    @classmethod
    async def open(cls, read_from: int, write_to: int) -> Self:
        """Take over two file descriptors."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(LINE_LIMIT)
        source, sink = os.fdopen(read_from, "rb", 0), os.fdopen(write_to, "wb", 0)
        reading, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
        writer, _ = await loop.connect_write_pipe(asyncio.Protocol, sink)
        return cls(reader, writer, reading)

    def close(self) -> None:
        self.writer.close()
        self.reading.close()


async def start(module: str, *arguments: str, environment: Mapping[str, str], **options: Any) -> Process:
    """Start `python -m module`; raises `OSError`. `options` are asyncio's.

    `environment` adds to this process's own, of which it inherits no password, unless it is given the database's.
    """
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        cwd=ROOT,
        env=_inherited(environment),
        preexec_fn=end_with_parent(),
        **options,
    )


def _inherited(environment: Mapping[str, str]) -> dict[str, str]:
    return {**environment_without_secrets(database="SCV_DATABASE_URL" in environment), **environment}


async def start_to_work(fork_server: str, module: str, environment: Mapping[str, str]) -> Subprocess:
    """Start `python -m module` with its standard input and output led to this process. Raises `OSError`.

    `fork_server` is the address of the server that forks it; where that is empty, Python starts anew.
    """
    (its_input, write_to), (read_from, its_output) = os.pipe(), os.pipe()
    try:
        process: Process | ForkedProcess
        if fork_server:
            process = await fork(fork_server, module, _inherited(environment), (its_input, its_output, 2))
        else:
            process = await start(module, environment=environment, stdin=its_input, stdout=its_output)
    except BaseException:
        os.close(write_to)
        os.close(read_from)
        raise
    finally:
        os.close(its_input)
        os.close(its_output)
    return Subprocess(process, await _Pipes.open(read_from, write_to))


@asynccontextmanager
async def running_subprocess(
    settings: Settings, processes: set[int], module: str, *, secrets: Collection[str] = ()
) -> AsyncIterator[Subprocess]:
    """A process that has these settings and lives as long as the block at most; its id is among `processes` then.

    `secrets` are those of `scv.settings.SECRETS` that it needs. The lines of its log bear what is bound here at its
    start.
    """
    environment = {**settings.environment(secrets), **context_for_child()}
    process = await start_to_work(settings.fork_server, module, environment)
    processes.add(process.pid)
    try:
        yield process
    finally:
        processes.discard(process.pid)
        process.kill()
        await process.wait()
        process.close()


async def keep_running(name: str, run: Callable[[], Awaitable[int]]) -> NoReturn:
    """Run a process until cancelled, again and again when it ends. `run` returns its status, or raises `OSError`."""
    clock = asyncio.get_running_loop().time
    pause = _SHORTEST_PAUSE
    while True:
        begun = clock()
        try:
            status = await run()
        except OSError:
            log.exception(f"the {name} cannot be started now and is tried again")
        else:
            log.warning(f"the {name} ended and is started again", status=status)
            if clock() - begun > _STEADY_SECONDS:
                pause = _SHORTEST_PAUSE
        pause = min(2 * pause, _LONGEST_PAUSE)
        await asyncio.sleep(pause)
