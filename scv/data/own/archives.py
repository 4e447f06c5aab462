"""A zip file or a folder as a list of files to read: nothing is unpacked, and nothing outside of it is reached."""

import hashlib
import os
import stat
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from scv.data.images.decode import ImageRefusedError
from scv.data.own.layout import name_in_zip
from scv.message import Message, foreign, say

MOST_FILES = 200_000
MOST_BYTES = 20 * 2**30
"""Of all files together, unpacked."""
MOST_BYTES_OF_A_FILE = 64 * 2**20
MOST_RATIO = 100
"""Bytes unpacked for each one in the archive, from `RATIO_FROM` bytes on. Images hardly shrink at all."""
RATIO_FROM = 64 * 2**20


class ImagesError(Exception):
    """Images cannot be taken as a dataset; `message` says why and what to do. Nothing was written."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(str(message))


class UnwritableError(ImagesError):
    """The disk is full, or not to be written to: no fault of the images."""


def unwritable(error: OSError) -> UnwritableError:
    """What is said where the disk is full, or not to be written to."""
    reason = foreign((error.strerror or "unknown reason").lower())
    return UnwritableError(say("The images could not be written: {reason}.", reason=reason))


class Entry(NamedTuple):
    """A file. Its name is relative, with slashes; its size is in bytes."""

    name: str
    size: int
    place: zipfile.ZipInfo | Path


class Archive(ABC):
    """The files of a source, in no particular order."""

    entries: list[Entry]

    def read(self, entry: Entry) -> bytes:
        """The whole file. Raises `ImageRefusedError` where it is larger than allowed, or cannot be read."""
        if entry.size > MOST_BYTES_OF_A_FILE:
            raise ImageRefusedError("large")
        try:
            return self._bytes(entry)
        except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise ImageRefusedError("unreadable") from error

    @abstractmethod
    def _bytes(self, entry: Entry) -> bytes:
        """The whole file, as the source gives it."""

    @abstractmethod
    def digest(self) -> str:
        """Hex digits that change with the names and the contents of the files."""


@contextmanager
def opened(source: Path) -> Iterator[Archive]:
    """A zip file or a folder. Raises `ImagesError` where it is neither, or something in it is not to be trusted.

    Of a zip the directory is read, of a folder its names; no file of it.
    """
    with ExitStack() as stack:
        try:
            archive = _Folder(source) if source.is_dir() else _Zip(source, stack.enter_context(zipfile.ZipFile(source)))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError) as error:
            message = say("{path} is no zip file, or only a part of one.", path=foreign(source.name))
            raise ImagesError(message) from error
        except OSError as error:
            reason = foreign((error.strerror or "unknown reason").lower())
            message = say("{path} cannot be read: {reason}.", path=foreign(source.name), reason=reason)
            raise ImagesError(message) from error
        yield archive


class _Zip(Archive):
    def __init__(self, source: Path, archive: zipfile.ZipFile) -> None:
        self._source, self._archive = source, archive
        infos = [info for info in archive.infolist() if not info.is_dir()]
        total = sum(info.file_size for info in infos)
        if total > MOST_RATIO * source.stat().st_size and total > RATIO_FROM:
            raise ImagesError(
                say(
                    "{path} would unpack to {times} times its size, which images never do. It was not opened.",
                    path=foreign(source.name),
                    times=total // source.stat().st_size,
                )
            )
        _refuse_too_much(source, len(infos), total)
        self.entries = [Entry(name_in_zip(info), info.file_size, info) for info in infos]
        for entry, info in zip(self.entries, infos, strict=True):
            _refuse_places_outside(entry.name)
            if info.flag_bits & 0x1:
                raise ImagesError(
                    say("{path} is encrypted. Make it again without a password.", path=foreign(source.name))
                )
            _refuse_special(entry.name, stat.S_IFMT(info.external_attr >> 16))

    def _bytes(self, entry: Entry) -> bytes:
        data: bytes = self._archive.read(entry.place)  # type: ignore[arg-type]
        return data

    def digest(self) -> str:
        with self._source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


class _Folder(Archive):
    def __init__(self, source: Path) -> None:
        self.entries = []
        total = 0
        for folder, names, files in os.walk(source, onerror=_raise):
            names.sort()
            for name in (*names, *files):
                path = Path(folder, name)
                inside = path.relative_to(source).as_posix().replace("\\", "/")  # as in a zip
                about = path.lstat()
                _refuse_special(inside, stat.S_IFMT(about.st_mode))
                if stat.S_ISREG(about.st_mode):
                    total += about.st_size
                    self.entries.append(Entry(inside, about.st_size, path))
                    _refuse_too_much(source, len(self.entries), total)

    def _bytes(self, entry: Entry) -> bytes:
        # What was a file when it was listed may have become something else: a link, or a pipe that never ends.
        with open(os.open(entry.place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:  # type: ignore[arg-type]  # noqa: PTH123
            data: bytes = file.read(MOST_BYTES_OF_A_FILE + 1)
        if len(data) > MOST_BYTES_OF_A_FILE:
            raise ImageRefusedError("large")
        return data

    def digest(self) -> str:
        digest = hashlib.sha256()
        for entry in sorted(self.entries):
            try:
                content = hashlib.sha256(self.read(entry)).hexdigest()
            except ImageRefusedError as error:
                content = str(error)
            digest.update(f"{os.fsencode(entry.name).hex()} {content}\n".encode())
        return digest.hexdigest()


def _refuse_places_outside(name: str) -> None:
    parts = name.split("/")
    if not parts[0] or ".." in parts or parts[0].endswith(":"):
        raise ImagesError(
            say("The archive holds {name}, which is a place outside of it. It was not opened.", name=foreign(name))
        )


def _refuse_special(name: str, kind: int) -> None:
    if stat.S_ISLNK(kind):
        raise ImagesError(
            say(
                "{name} is a link to another place. Put the image itself there, or remove the link.",
                name=foreign(name),
            )
        )
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ImagesError(say("{name} is neither a file nor a folder. Remove it.", name=foreign(name)))


def _refuse_too_much(source: Path, files: int, size: int) -> None:
    if files > MOST_FILES or size > MOST_BYTES:
        raise ImagesError(
            say(
                "{path} is too large: {most} files and {gigabytes} GB are the most.",
                path=foreign(source.name),
                most=MOST_FILES,
                gigabytes=MOST_BYTES // 2**30,
            )
        )


def _raise(error: OSError) -> None:
    raise error
