"""What a fork server and those who ask it for processes say to each other: lines of JSON on a Unix socket.

Each connection is about one process. The first line asks for it, and carries three file descriptors: the standard
input, output and error of the process. Whoever closes the connection has the process killed.
"""

import msgspec


class Fork(msgspec.Struct, frozen=True):
    """Run `python -m module` in a fork, in exactly this environment."""

    module: str
    environment: dict[str, str]


class Signal(msgspec.Struct, frozen=True):
    """Send the process this signal."""

    number: int


class Forked(msgspec.Struct, tag="forked", frozen=True):
    """The process runs."""

    pid: int


class Exited(msgspec.Struct, tag="exited", frozen=True):
    """The process has ended; the status is negative for a signal."""

    status: int


Reply = Forked | Exited

read_fork = msgspec.json.Decoder(Fork).decode
read_signal = msgspec.json.Decoder(Signal).decode
read_reply = msgspec.json.Decoder(Reply).decode
