"""Writes files so that a reader sees the old file or the whole new one, even after a kill or a power cut."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace a file. A reader sees the old content or the new one. Raises `OSError`.

    A durable file is on the disk when this returns, which takes some milliseconds. Without that a power cut may leave
    an empty file; it is for files that are written again and again.
    """
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            if durable:
                flush(file)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if durable:
        flush_names(path.parent)


def flush(file: BinaryIO) -> None:
    """Have the disk write what the file holds."""
    file.flush()
    os.fsync(file.fileno())


def flush_files(folder: Path) -> None:
    """Have the disk write what the files of a folder hold."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError), path.open("rb") as file:  # another process may take one away
            os.fsync(file.fileno())


def flush_names(folder: Path) -> None:
    """Have the disk write which files a folder holds: one that was renamed is lost in a power cut before that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
