"""Uploads: forms with files, read from the stream in pieces.

`held_by` keeps the files in memory, for files that are not stored. `sent_by` writes them to `files/uploads/{user id}/`
under numbers; the names that they had are used in messages only. A lock lets each user send one form at a time. Files
that the handler did not move are deleted at its end. Files that a killed process left are deleted at the next start.
"""

import asyncio
import errno
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Self, TypeVar

from litestar.exceptions import ClientException
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser

from scv.errors import ConflictError, DiskFullError, RefusedError, TooLargeError
from scv.message import Message, say
from scv.web.http.render import AnyRequest

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_SILENCE = 60.0
"""Seconds without data after which the upload counts as cut off."""

_AT_ONCE = 2**20  # bytes that are parsed and written at a time
_MOST_PARTS = 20_000
_MOST_OF_A_FIELD = 64 * 1024

_SMALL = 2**20
"""Forms of at most this size may be held in memory any number at a time."""

_holding: set[int] = set()
"""The users whose larger form this process holds in memory now."""

_ANOTHER = say("Another upload of yours is still going on. Wait until it is done, or stop it, and try again.")


@dataclass
class SentFile:
    """A file of the form on disk, closed. `name` is the sender's name without folders; it may be any text."""

    field: str
    name: str
    path: Path
    size: int = 0


@dataclass
class Sent:
    """A form with files: its text fields, the last of each name, and its files in order."""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[SentFile] = field(default_factory=list)


@asynccontextmanager
async def sent_by(
    request: AnyRequest, root: Path, sender: int, room: Callable[[], Awaitable[tuple[int, Message]]]
) -> AsyncIterator[Sent]:
    """Read the form of a request to a `STREAMED` handler. Files that are not moved elsewhere are deleted at the end.

    `room` gives the largest body in bytes, and the message for a larger one. It is called while the user's lock is
    held, so it counts everything that the user sent before. Raises `ConflictError` while the same user sends another
    form, `TooLargeError`, `DiskFullError`, and `RefusedError` for a body that is cut off.
    """
    with _alone(root, sender) as folder:
        try:
            yield (await _read(request, _Writer(folder), *await room())).sent
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


@dataclass(frozen=True)
class HeldFile:
    """A file of the form in memory."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Held:
    """A form with files in memory: its text fields, the last of each name, and its files in order."""

    fields: dict[str, str]
    files: tuple[HeldFile, ...]


async def held_by(request: AnyRequest, sender: int, most: int, too_large: Message) -> Held:
    """Read the form of a request to a `STREAMED` handler into memory.

    `most` is the largest body in bytes, `too_large` the message for a larger one. The errors are those of `sent_by`.
    A small form may come while another one is read.
    """
    size = request.content_length
    alone = size is None or size > _SMALL
    if alone and sender in _holding:
        raise ConflictError(_ANOTHER)
    if alone:
        _holding.add(sender)
    try:
        writer = await _read(request, _Holder(), most, too_large)
    finally:
        if alone:
            _holding.discard(sender)
    pairs = zip(writer.sent.files, writer.held, strict=True)
    return Held(writer.sent.fields, tuple(HeldFile(file.name, content.getvalue()) for file, content in pairs))


def sweep_uploads(root: Path) -> None:
    """Delete the uploads that killed processes left. An upload that another process reads now stays."""
    for folder in root.glob("[0-9]*"):
        try:
            with _alone(root, int(folder.name)):
                shutil.rmtree(folder, ignore_errors=True)
        except ConflictError:
            continue


@contextmanager
def disk_needed() -> Iterator[None]:
    """Raise `DiskFullError` where the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise DiskFullError from error
        raise


@contextmanager
def _alone(root: Path, sender: int) -> Iterator[Path]:
    """An empty folder for the user's upload, locked. Raises `ConflictError` where another upload holds the lock."""
    with disk_needed():
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / f".{sender}.lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConflictError(_ANOTHER) from error
        folder = root / str(sender)
        shutil.rmtree(folder, ignore_errors=True)
        with disk_needed():
            folder.mkdir()
        yield folder


async def _read(request: AnyRequest, writer: "W", most: int, too_large: Message) -> "W":
    if (request.content_length or 0) > most:
        raise TooLargeError(too_large)
    cut_off = RefusedError(say("The upload was cut off before it was whole. Nothing of it was kept; send it again."))
    try:
        parser = PushMultipartParser(
            request.content_type[1].get("boundary", ""), max_segment_count=_MOST_PARTS, header_charset="utf8"
        )
        with writer:
            received, more = 0, True
            while more:
                chunk = bytearray()
                while more and len(chunk) < _AT_ONCE:
                    async with asyncio.timeout(_SILENCE):
                        message = await request.receive()
                    if message["type"] != "http.request":
                        raise cut_off
                    chunk += message["body"]
                    more = message.get("more_body", False)
                received += len(chunk)
                if received > most:
                    raise TooLargeError(too_large)
                if chunk:
                    await asyncio.to_thread(writer.take, parser, bytes(chunk))
            parser.close()
    except TimeoutError as error:
        raise cut_off from error
    except ParserLimitReached as error:
        raise TooLargeError(say("Too many files at once: at most {most} are allowed.", most=_MOST_PARTS)) from error
    except MultipartError as error:
        raise cut_off from error
    except UnicodeDecodeError as error:
        raise ClientException from error
    return writer


class _Writer:
    """Writes the parts of a form: text fields into memory, files to disk."""

    def __init__(self, folder: Path) -> None:
        self.sent = Sent()
        self._folder = folder
        self._file: BinaryIO | None = None
        self._name = ""
        self._text = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def take(self, parser: PushMultipartParser, piece: bytes) -> None:
        """Take the next piece of the stream. Raises `MultipartError`, `DiskFullError` and `TooLargeError`."""
        with disk_needed():
            for event in parser.parse(piece):
                if isinstance(event, MultipartSegment):
                    self._begin(event)
                elif event is None:
                    self._end()
                elif self._file is not None:
                    self._file.write(event)
                    self.sent.files[-1].size += len(event)
                else:
                    self._text += event
                    if len(self._text) > _MOST_OF_A_FIELD:
                        raise TooLargeError(say("A text of this form is too long."))

    def _begin(self, segment: MultipartSegment) -> None:
        self._name, self._text = segment.name or "", b""
        if segment.filename is None:
            return
        path = self._folder / f"{len(self.sent.files):05}"
        name = segment.filename.replace("\\", "/").rpartition("/")[2]
        self._file = self._open(path)
        self.sent.files.append(SentFile(self._name, name, path))

    def _end(self) -> None:
        if self._file is None:
            self.sent.fields[self._name.replace("\0", "")] = self._text.decode().replace("\0", "")
            return
        self._close(self._file)
        self._file = None
        if not self.sent.files[-1].name and not self.sent.files[-1].size:
            self._drop(self.sent.files.pop())  # what a browser sends where no file was chosen

    def _open(self, path: Path) -> BinaryIO:
        return path.open("wb")

    def _close(self, file: BinaryIO) -> None:
        file.flush()
        os.fsync(file.fileno())
        file.close()

    def _drop(self, file: SentFile) -> None:
        file.path.unlink()


class _Holder(_Writer):
    """Keeps the files in memory. Their paths are not used."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"))
        self.held: list[BytesIO] = []

    def _open(self, path: Path) -> BinaryIO:
        self.held.append(BytesIO())
        return self.held[-1]

    def _close(self, file: BinaryIO) -> None:
        """The file stays open: it is read afterwards."""

    def _drop(self, file: SentFile) -> None:
        self.held.pop()


W = TypeVar("W", bound=_Writer)
