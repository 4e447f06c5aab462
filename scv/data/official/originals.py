"""The original files of the official datasets: how they are known, and how they are taken from wherever they lie.

A file is known by its name and its hash; where its makers publish no hash of it, by the exact header and length
that it must have. From an archive only the known files are taken, by their last name: no path that it holds is
ever used, and an archive that tries to lead elsewhere is refused as a whole.
"""

import gzip
import hashlib
import io
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import IO, Any, NamedTuple

from scv.data.errors import DatasetMissingError
from scv.data.official.catalogue import DATASETS, DatasetInfo, Original
from scv.message import Message, foreign, say

_CHUNK = 1 << 20
_LARGEST = 1 << 30
"""No original is larger: what unpacks to more is none."""

_TORN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    RuntimeError,  # a zip file with a password
    NotImplementedError,  # one packed in a way that Python does not know
    UnicodeDecodeError,
    ValueError,
)
"""What unpacking raises where an archive is cut short or is none."""


class _Known(NamedTuple):
    original: Original
    packed: bool


def check_in_place(data_dir: Path, info: DatasetInfo) -> None:
    """Raise `DatasetMissingError` where an original file that is in place is not what it should be."""
    folder = data_dir / info.folder
    for original in info.originals:
        path = folder / original.name
        with path.open("rb") as file:
            problem = _problem(info, original, file)
        if problem is not None:
            raise DatasetMissingError(
                say(
                    "{problem} The files of {dataset} lie in {folder}. Replace this one, or delete it to have it "
                    "downloaded again.",
                    problem=problem,
                    dataset=info.title,
                    folder=str(folder),
                )
            )


def take_in(data_dir: Path, info: DatasetInfo, source: Path) -> list[Path]:
    """Put the known files that `source` is or holds into place, and return where they lie now.

    `source` is a file, a folder or an archive. Files are put into place together, after all of them have proved
    to be right. Raises `DatasetMissingError`, and then nothing has changed; `OSError` where nothing can be
    read or written.
    """
    folder = data_dir / info.folder
    (data_dir / "datasets").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{info.name}-in-", dir=data_dir / "datasets") as staging:
        intake = _Intake(info, Path(staging), folder)
        if source.is_dir():
            intake.take_folder(source)
        else:
            intake.take_file(source)
        folder.mkdir(parents=True, exist_ok=True)
        placed = []
        for name in intake.staged:
            (Path(staging) / name).replace(folder / name)
            placed.append(folder / name)
        return placed


class _Intake:
    """Collects the known files of one dataset in a staging folder, each checked. `folder` is where they will lie."""

    def __init__(self, info: DatasetInfo, staging: Path, folder: Path) -> None:
        self._info = info
        self._staging = staging
        self._folder = folder
        self._known = {original.name: _Known(original, False) for original in info.originals}
        self._known |= {f"{original.name}.gz": _Known(original, True) for original in info.originals}
        self.staged: list[str] = []

    def take_folder(self, source: Path) -> None:
        """Take the known files below a folder, and those in archives that are named as they are published."""
        archives = {download.file for download in self._info.downloads}
        in_place = source.resolve() == self._folder.resolve()
        for path in sorted(path for path in source.rglob("*") if path.is_file()):
            if path.name in self._known:
                if not (in_place and (self._folder / self._known[path.name].original.name).is_file()):
                    with path.open("rb") as file:
                        self._stage(file, path.name)
            elif path.name in archives:
                self.take_file(path)
        if not self.staged and not in_place:
            raise DatasetMissingError(
                say(
                    "{path} holds no file of {dataset}. They are called {files}.",
                    path=str(source),
                    dataset=self._info.title,
                    files=self._names(),
                )
            )

    def take_file(self, source: Path) -> None:
        """Take a known file, or the known files of an archive."""
        if source.name in self._known:
            with source.open("rb") as file:
                self._stage(file, source.name)
            return
        with source.open("rb") as file:
            head = file.read(512)
        is_zip = head.startswith(b"PK")
        if not is_zip and not head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")) and head[257:262] != b"ustar":
            raise DatasetMissingError(
                say(
                    "{file} is none of the files of {dataset}, and no archive. They are called {files}.",
                    file=foreign(source.name),
                    dataset=self._info.title,
                    files=self._names(),
                )
            )
        before = len(self.staged)
        with _whole(source.name):
            if is_zip:
                self._take_zip(source)
            else:
                self._take_tar(source)
        if len(self.staged) == before:
            raise DatasetMissingError(
                say(
                    "{path} holds no file of {dataset}. They are called {files}.",
                    path=foreign(source.name),
                    dataset=self._info.title,
                    files=self._names(),
                )
            )

    def _take_zip(self, source: Path) -> None:
        with zipfile.ZipFile(source) as archive:
            for member in archive.infolist():
                link = stat.S_ISLNK(member.external_attr >> 16)
                self._refuse_elsewhere(source, member.filename, strange=link)
            for member in archive.infolist():
                if not member.is_dir() and (name := _last(member.filename)) in self._known:
                    with archive.open(member) as file:
                        self._stage(file, name)

    def _take_tar(self, source: Path) -> None:
        with tarfile.open(source, "r|*") as archive:
            for member in archive:
                self._refuse_elsewhere(source, member.name, strange=not (member.isreg() or member.isdir()))
                if member.isreg() and (name := _last(member.name)) in self._known:
                    file = archive.extractfile(member)
                    if file is not None:
                        self._stage(file, name)

    def _refuse_elsewhere(self, source: Path, name: str, *, strange: bool) -> None:
        """Refuse an archive with a member that would lie outside of it, or that is a link or a device."""
        path = PureWindowsPath(name)  # takes both kinds of slashes, and drives
        if strange or path.is_absolute() or path.drive or path.root or ".." in path.parts:
            raise DatasetMissingError(
                say(
                    "{file} is refused: its entry {entry} is a link or leads out of the archive, which no original "
                    "archive does.",
                    file=foreign(source.name),
                    entry=foreign(name),
                )
            )

    def _stage(self, file: IO[bytes], name: str) -> None:
        """Copy, unpacked, what is called `name` into the staging folder, and check it; a second one is passed over."""
        original, packed = self._known[name]
        if original.name in self.staged:
            return
        target = self._staging / original.name
        outer = _Hashing(file)
        with _whole(name), target.open("wb") as out:
            inner: IO[bytes] = gzip.GzipFile(fileobj=outer) if packed else outer  # type: ignore[assignment]  # both read
            size = 0
            while chunk := inner.read(_CHUNK):
                size += len(chunk)
                if size > (original.idx_bytes if original.idx else _LARGEST):
                    raise _not_original(self._info, name)
                out.write(chunk)
        if packed and original.gz_md5 and outer.md5.hexdigest() == original.gz_md5:
            pass
        elif packed and original.gz_md5 and not original.md5:
            raise _not_original(self._info, name)
        else:
            with target.open("rb") as copied:
                if (problem := _problem(self._info, original, copied)) is not None:
                    raise DatasetMissingError(problem)
        self.staged.append(original.name)

    def _names(self) -> str:
        return ", ".join(original.name for original in self._info.originals)


class _Hashing(io.RawIOBase):
    """A stream that hashes what is read from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.md5 = hashlib.md5(usedforsecurity=False)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.md5.update(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def _whole(name: str) -> Iterator[None]:
    """What unpacking raises becomes a sentence about the file of this name."""
    try:
        yield
    except _TORN as error:
        message = say("{file} cannot be unpacked: it is damaged or cut short.", file=foreign(name))
        raise DatasetMissingError(message) from error


def _problem(info: DatasetInfo, original: Original, file: IO[bytes]) -> Message | None:
    """What is wrong with an original file, read from its begin; None where it is right."""
    header = file.read(len(original.idx_header))
    digest = hashlib.md5(header, usedforsecurity=False)
    size = len(header)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    md5 = digest.hexdigest()
    if original.md5:
        return None if md5 == original.md5 else _not_original(info, original.name).message
    if original.idx and (header != original.idx_header or size != original.idx_bytes):
        return _not_original(info, original.name).message
    for other in DATASETS.values():
        if any(md5 == theirs.md5 for theirs in other.originals):
            return say(
                "This {file} belongs to {other}, not to {dataset}.",
                file=original.name,
                other=other.title,
                dataset=info.title,
            )
    return None


def _not_original(info: DatasetInfo, name: str) -> DatasetMissingError:
    return DatasetMissingError(
        say(
            "{file} is not the original file of {dataset}: it is damaged, cut short or something else.",
            file=foreign(name),
            dataset=info.title,
        )
    )


def _last(name: str) -> str:
    return PureWindowsPath(name).name
