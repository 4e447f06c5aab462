"""`python -m scv.jobs.fork_server FD`: a process that has torch imported already and forks others from itself.

Importing torch takes seconds, and a fork some milliseconds; what was imported is in memory once for all of them.
FD is the Unix socket that it listens at. It does nothing else: it has one thread and never touches a GPU, since
neither survives a fork.
"""

import gc
import importlib
import os
import runpy
import selectors
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass

import msgspec
import structlog
from setproctitle import setproctitle

from scv.jobs.fork_protocol import Exited, Fork, Forked, Reply, read_fork, read_signal
from scv.jobs.lines import line
from scv.jobs.parent_death import end_with_parent
from scv.log import configure_log
from scv.ml.train.warm_up import warm_up
from scv.settings import ROOT, Settings

IMPORTED = (
    "scv.db.runs",
    "scv.jobs.open_dataset",
    "scv.jobs.predict_client",
    "scv.jobs.queue",
    "scv.jobs.task_process",
    "scv.jobs.train_protocol",
    "scv.ml.explain.explain_prediction",
    "scv.ml.report.report",
    "scv.ml.train.train",
)
"""What the processes import, but not their own modules: those are run."""

_REQUEST_SECONDS = 5.0
"""How long somebody may take to say what they want."""

_LONGEST = 1 << 20

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


@dataclass
class _Connection:
    """Somebody who asked for the process `pid`.

    `unread` is the beginning of a line; `closed` says that the other end is gone.
    """

    socket: socket.socket
    pid: int
    unread: bytes = b""
    closed: bool = False

    def send(self, reply: Reply) -> None:
        with suppress(OSError):  # which is heard as the end of the connection
            self.socket.sendall(line(reply))


class Server:
    """Forks processes, tells how they end, and kills those that nobody waits for any more."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._selector = selectors.DefaultSelector()
        self._connections: dict[int, _Connection] = {}
        self._bind_to_this = end_with_parent()
        self._woken, self._waker = socket.socketpair()
        for end in (self._woken, self._waker):
            end.setblocking(False)
        self._selector.register(listening, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)

    def run(self) -> Fork:
        """Serve for ever. Returns in each forked process, with what is to be done there."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listening:
                    if (wanted := self._accept()) is not None:
                        return wanted
                elif key.fileobj is self._woken:
                    self._woken.recv(4096)
                    self._collect()
                else:
                    self._hear(key.data)

    def _accept(self) -> Fork | None:
        """Fork for whoever connects; what was asked for in the fork, None in this process."""
        connection, _ = self._listening.accept()
        connection.settimeout(_REQUEST_SECONDS)
        descriptors: list[int] = []
        try:
            wanted = _read_request(connection, descriptors)
        except (OSError, ValueError, msgspec.DecodeError) as error:
            log.warning("a request cannot be read", why=str(error))
            connection.close()
            wanted = None
        pid = os.fork() if wanted is not None else -1
        if pid == 0:
            connection.close()
            self._become_child(descriptors)
            return wanted
        for descriptor in descriptors:
            os.close(descriptor)
        if pid > 0:
            known = self._connections[pid] = _Connection(connection, pid)
            self._selector.register(connection, selectors.EVENT_READ, known)
            known.send(Forked(pid))
        return None

    def _become_child(self, descriptors: list[int]) -> None:
        """Leave everything of the server behind, and take the standard streams that were sent."""
        if self._bind_to_this is not None:
            self._bind_to_this()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for connection in self._connections.values():
            connection.socket.close()
        for end in (self._listening, self._woken, self._waker):
            end.close()
        for stream, descriptor in enumerate(descriptors):
            os.dup2(descriptor, stream)
            os.close(descriptor)

    def _collect(self) -> None:
        """Tell of the processes that have ended."""
        while self._connections:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if (known := self._connections.pop(pid, None)) is not None:
                if not known.closed:
                    known.send(Exited(os.waitstatus_to_exitcode(status)))
                    self._selector.unregister(known.socket)
                known.socket.close()

    def _hear(self, known: _Connection) -> None:
        """Send the process the signals that were asked for; kill it where the other end is gone."""
        if known.pid not in self._connections:
            return  # it ended in the same round
        try:
            data = known.socket.recv(4096)
        except OSError:
            data = b""
        if not data:
            os.kill(known.pid, signal.SIGKILL)
            self._selector.unregister(known.socket)
            known.closed = True
            return
        *lines, known.unread = (known.unread + data).split(b"\n")
        for text in lines:
            os.kill(known.pid, read_signal(text).number)


def _read_request(connection: socket.socket, descriptors: list[int]) -> Fork:
    """The first line of a connection. The descriptors that come with it are added to the list."""
    text = b""
    while not text.endswith(b"\n"):
        data, sent, _, _ = socket.recv_fds(connection, 1 << 16, 3)
        descriptors.extend(sent)
        text += data
        if not data or len(text) > _LONGEST:
            raise ValueError("it has no end")
    if len(descriptors) != 3:
        raise ValueError("it brings no standard streams")
    return read_fork(text)


def main() -> None:
    configure_log(Settings.from_environment().log_format, "fork server")
    server = Server(socket.socket(fileno=int(sys.argv[1])))
    for module in IMPORTED:
        importlib.import_module(module)
    warm_up()
    gc.collect()
    gc.freeze()  # or every collection in a fork would write into memory that is shared, and so copy it
    wanted = server.run()
    setproctitle(f"{wanted.module} {wanted.environment.get('SCV_DATA_DIR', '')}".strip())
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(wanted.environment)
    sys.argv = [wanted.module]
    runpy.run_module(wanted.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
