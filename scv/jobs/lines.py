"""Lines of JSON between a worker and a subprocess, one struct a line, as the subprocess reads and writes them."""

import os
import select
import threading
from collections.abc import Callable

import msgspec


class Renewed(msgspec.Struct, tag="renewed", frozen=True):
    """The worker has renewed its lease."""


class Stop(msgspec.Struct, tag="stop", frozen=True):
    """Stop at the next step and say so."""


def line(message: msgspec.Struct) -> bytes:
    """The message as one line."""
    return msgspec.json.encode(message) + b"\n"


class WorkerReader(threading.Thread):
    """Reads lines from stdin beside the work, and passes them on.

    Ends the process where the worker is gone, or has been silent for `lease_seconds`: by then another worker may have
    the same work, and two processes must never write into the same folder.
    """

    def __init__(self, on_line: Callable[[bytes], None]) -> None:
        super().__init__(name="worker-reader", daemon=True)
        self._on_line = on_line
        self.lease_seconds: float | None = None

    def run(self) -> None:
        unread = b""
        while True:
            readable, _, _ = select.select([0], [], [], self.lease_seconds)
            data = os.read(0, 65536) if readable else b""
            if not data:
                # A plain exit would wait for the work and could be caught by it.
                os._exit(1)
            *lines, unread = (unread + data).split(b"\n")
            for text in lines:
                self._on_line(text)


class WorkerWriter:
    """Writes lines to what was stdout; file descriptor 1 itself now leads to stderr, for stray prints."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)

    def send(self, message: msgspec.Struct) -> None:
        self._out.write(line(message))
