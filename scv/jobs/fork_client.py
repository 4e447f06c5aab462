"""Has a fork server start a process, and follows it as if it were a child of this one."""

import asyncio
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress

from scv.jobs.fork_protocol import Exited, Fork, Forked, Signal, read_reply
from scv.jobs.lines import line

ANSWER_SECONDS = 60.0
"""How long a fork server may take, which imports torch first."""

_PAUSE = 0.1


class ForkedProcess:
    """A process of a fork server, with what is used here of `asyncio.subprocess.Process`.

    It is killed where this process ends, or the fork server does.
    """

    def __init__(self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._writer = writer
        self._watching = asyncio.create_task(self._watch(reader))

    async def wait(self) -> int:
        """The exit status; negative for a signal."""
        await asyncio.shield(self._watching)
        return -signal.SIGKILL if self.returncode is None else self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal; a process that is gone gets none."""
        if self.returncode is None:
            self._writer.write(line(Signal(number)))

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    async def _watch(self, reader: asyncio.StreamReader) -> None:
        try:
            text = await reader.readline()
        except ConnectionError:
            text = b""
        finally:
            self._writer.close()
        reply = read_reply(text) if text.endswith(b"\n") else None
        # Without a word the fork server has ended, and the kernel kills its processes.
        self.returncode = reply.status if isinstance(reply, Exited) else -signal.SIGKILL


async def fork(
    address: str, module: str, environment: Mapping[str, str], streams: tuple[int, int, int]
) -> ForkedProcess:
    """Have the fork server at this socket run `python -m module`; `streams` become its standard streams.

    A server that is being started, or started again, is waited for. Raises `OSError` where none answers.
    """
    request = line(Fork(module, dict(environment)))
    async with asyncio.timeout(ANSWER_SECONDS):  # whose `TimeoutError` is an `OSError`
        while True:
            with suppress(ConnectionError):
                return await _ask(address, request, streams)
            await asyncio.sleep(_PAUSE)


async def _ask(address: str, request: bytes, streams: tuple[int, int, int]) -> ForkedProcess:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, address)
        socket.send_fds(connection, [request], streams)
        reader, writer = await asyncio.open_unix_connection(sock=connection)
    except BaseException:
        connection.close()
        raise
    try:
        text = await reader.readline()
        reply = read_reply(text) if text.endswith(b"\n") else None
        if not isinstance(reply, Forked):
            raise ConnectionError("the fork server ended before it answered")
    except BaseException:
        writer.close()
        raise
    return ForkedProcess(reply.pid, reader, writer)
