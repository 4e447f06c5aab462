"""Training children as their worker sees them: started warm, spoken to in lines, ended for certain."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec
import structlog

from scv.jobs.lines import Renewed, Stop, line
from scv.jobs.subprocesses import Subprocess, start_to_work
from scv.jobs.train_protocol import Pause, Ready, Train, read_from_child
from scv.training.progress import Event

STOP_SECONDS = 0.8
"""How long a child may take to stop when asked; then it gets SIGTERM, and after `TERM_SECONDS` SIGKILL."""

TERM_SECONDS = 0.3

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


class Child:
    """One training process. Made by `Child.start`; trains once."""

    def __init__(self, process: Subprocess) -> None:
        self._process = process
        self.pid = process.pid

    @classmethod
    async def start(cls, fork_server: str = "") -> "Child":
        """Start a process, forked by the server at this address if there is one. Raises `OSError`."""
        return cls(await start_to_work(fork_server, "scv.jobs.train_process", {"PYTHONUNBUFFERED": "1"}))

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    def send(self, message: Train | Renewed | Stop | Pause) -> None:
        """Say something to the child; one that is gone hears nothing, which `events` will tell."""
        with suppress(ConnectionError):
            self._process.writer.write(line(message))

    async def events(self, silence_seconds: float) -> AsyncIterator[Event]:
        """What the training says, until the child closes its mouth, or is ended since it said nothing for so long."""
        while text := await self._next_line(silence_seconds):
            try:
                message = read_from_child(text)
            except msgspec.DecodeError:
                # Killed in the middle of a line.
                log.warning("a line of a training process cannot be read", child=self.pid, line=text[:200])
                continue
            if not isinstance(message, Ready):
                yield message

    async def _next_line(self, silence_seconds: float) -> bytes:
        try:
            return await asyncio.wait_for(self._process.reader.readline(), silence_seconds)
        except TimeoutError:
            log.warning("a training process was silent for too long", child=self.pid, seconds=silence_seconds)
            await self.kill()
            return b""

    async def wait(self) -> int:
        """The exit status; negative for a signal."""
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask the child to stop; end it where it does not listen."""
        self.send(Stop())
        if not await self._gone_within(STOP_SECONDS):
            self._signal(signal.SIGTERM)
            if not await self._gone_within(TERM_SECONDS):
                await self.kill()

    async def kill(self) -> None:
        """End the child at once, and wait until it has ended."""
        self._signal(signal.SIGKILL)
        await self._process.wait()
        self._process.close()

    def kill_soon(self) -> None:
        """End the child at once where it still lives, without waiting for its end."""
        if self.alive:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def _gone_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), seconds)
        return not self.alive


class Spare:
    """Keeps one warm child ready, so that a click starts training without waiting for torch's import."""

    def __init__(self, fork_server: str = "") -> None:
        self._fork_server = fork_server
        self._child: Child | None = None
        self._lock = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The waiting child's process id, if there is one."""
        return self._child.pid if self._child is not None else None

    async def warm(self) -> None:
        """Start the next child, unless one is waiting; where that fails, a training starts its own."""
        async with self._lock:
            if self._child is None or not self._child.alive:
                try:
                    self._child = await Child.start(self._fork_server)
                except OSError:
                    log.exception("no training process can be kept ready")

    async def take(self) -> Child:
        """A child that waits for its training, warm if there was time. The next one is the caller's to `warm`:
        its imports would slow down the start of this one's training."""
        async with self._lock:
            child, self._child = self._child, None
        return child if child is not None and child.alive else await Child.start(self._fork_server)

    async def close(self) -> None:
        async with self._lock:
            if self._child is not None:
                await self._child.kill()
                self._child = None
