"""The fork server as its owner sees it: started with it, started again when it dies, ended with it."""

import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from scv.jobs.subprocesses import keep_running, start

FORKS = sys.platform == "linux"
"""Whether a process that has torch imported may be forked on this system; on macOS it may not."""


@contextmanager
def listening_socket() -> Iterator[socket.socket]:
    """A Unix socket for a fork server, in a folder that is closed to other users. Its address is `getsockname()`.

    It outlives the server: who asks while that is started again waits for an answer.
    """
    with tempfile.TemporaryDirectory(prefix="scv-") as folder, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(Path(folder) / "fork"))
        listening.listen(100)
        yield listening


async def start_fork_server(listening: socket.socket, **options: Any) -> Process:
    """Start a fork server at this socket; raises `OSError`. `options` are asyncio's."""
    return await start(
        "scv.jobs.fork_server",
        str(listening.fileno()),
        environment={"PYTHONUNBUFFERED": "1"},
        pass_fds=[listening.fileno()],
        stdin=DEVNULL,
        start_new_session=True,
        **options,
    )


async def keep_fork_server(listening: socket.socket) -> NoReturn:
    """Have a fork server running at this socket until cancelled."""

    async def run() -> int:
        process = await start_fork_server(listening)
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    await keep_running("fork server", run)
