"""Images that wait to be made into a version of a dataset: an archive as it was sent, or single images by class.

A draft is a folder that holds `upload.zip`, or `images/{class}/{number}.{ending}`, where numbers go up with time. It
is there from the first that is put into it until it is made into a version or thrown away. Only one process at a time
may change it, which is the caller's business; every change is one rename.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from scv.data.images.decode import ImageRefusedError, decode_image
from scv.data.own.archives import MOST_BYTES_OF_A_FILE, Entry, ImagesError, opened
from scv.data.own.class_names import class_name
from scv.data.own.importing import MOST_CLASSES, ImageOptions, plan, refuse_classes
from scv.data.own.summary import Names
from scv.message import foreign, say

SAMPLES = 8
"""So many images of each class are looked at in a preview."""

THUMBNAIL = 96
"""Width and height of a collected image where the collection is shown, in pixels."""

_ENDINGS = {"PNG": "png", "JPEG": "jpg", "MPO": "jpg", "WEBP": "webp", "BMP": "bmp", "GIF": "gif", "TIFF": "tif"}


class FoundClass(NamedTuple):
    """A class, how many images of it there are by their names, and what the files of the first ones are called."""

    name: str
    images: int
    samples: tuple[str, ...]


class Found(NamedTuple):
    """What a draft holds by the names alone; `refused` has a key of `summary.REASONS` for what is left out."""

    classes: tuple[FoundClass, ...]
    refused: dict[str, Names]

    @property
    def images(self) -> int:
        """Of all classes together."""
        return sum(found.images for found in self.classes)


class Draft:
    """The draft in `folder`, whether there is one or not. Names of classes that are no names raise `ImagesError`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.zip = folder / "upload.zip"
        self.images = folder / "pictures"

    @property
    def source(self) -> Path | None:
        """What a version can be made from: the archive, or the folder of images; None where there is neither."""
        if self.zip.is_file():
            return self.zip
        return self.images if any(found.images for found in self._collected()) else None

    @property
    def size_on_disk(self) -> int:
        """In bytes."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def take_zip(self, path: Path, before: Iterable[str] = ()) -> None:
        """Make the file the draft's archive, in place of any earlier one. Raises `ImagesError` where it is none.

        `before` are the classes of the version that it will be added to.
        """
        if self.class_names:
            raise ImagesError(
                say("There are collected images here already. Import or discard them before you send a zip file.")
            )
        check_zip(path, before)
        self.folder.mkdir(parents=True, exist_ok=True)
        path.replace(self.zip)

    def look(self) -> Found:
        """What is in it, by names alone. Raises `ImagesError` where the archive cannot be used (any more)."""
        if self.zip.is_file():
            return _found(self.zip, _stamp(self.zip))
        return Found(tuple(self._collected()), {})

    @property
    def class_names(self) -> list[str]:
        """Of collected images, in their order; none for an archive."""
        try:
            return sorted(entry.name for entry in os.scandir(self.images) if entry.is_dir())
        except FileNotFoundError:
            return []

    def add_class(self, text: str) -> str:
        """A class without images, under the name that is returned; one that is there already stays as it is."""
        if self.zip.is_file():
            raise ImagesError(say("The images of this draft come from a zip file. Import or discard that first."))
        names = self.class_names
        name = class_name(text, names)
        if name not in names and len(names) >= MOST_CLASSES:
            raise ImagesError(
                say("There are {count} classes; at most {most} are allowed.", count=len(names) + 1, most=MOST_CLASSES)
            )
        (self.images / name).mkdir(parents=True, exist_ok=True)
        return name

    def rename_class(self, before: str, text: str) -> str:
        """Call a class otherwise; `KeyError` where there is none, `ImagesError` where the new name is taken."""
        folder = self._existing(before)
        others = [other for other in self.class_names if other != before]
        name = class_name(text, others)
        if name in others:
            raise ImagesError(say("There is a class called {name} already.", name=foreign(name)))
        folder.rename(self.images / name)
        return name

    def remove_class(self, name: str) -> None:
        """Take a class away with its images; `KeyError` where there is none."""
        gone = self.folder / ".gone"
        shutil.rmtree(gone, ignore_errors=True)
        self._existing(name).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def add_image(self, name: str, path: Path) -> None:
        """Move an image file into a class. Raises `ImageRefusedError` with one of `summary.REASONS`; `KeyError`."""
        folder = self._existing(name)
        if path.stat().st_size > MOST_BYTES_OF_A_FILE:
            raise ImageRefusedError("large")
        data = path.read_bytes()
        decode_image(data, THUMBNAIL, 3, "crop")
        with Image.open(BytesIO(data)) as image:
            ending = _ENDINGS.get(image.format or "", "png")
        number = max((int(file.partition(".")[0]) for file in _files(folder)), default=0) + 1
        path.replace(folder / f"{number:06}.{ending}")

    def remove_image(self, name: str, file: str) -> None:
        """Take an image away; `KeyError` where there is no such file in the class."""
        self._image(name, file).unlink()

    def thumbnail(self, name: str, file: str) -> bytes:
        """A collected image as a small JPEG file. Raises `KeyError`, and `ImageRefusedError` where it is unreadable."""
        pixels = decode_image(self._image(name, file).read_bytes(), THUMBNAIL, 3, "crop")
        array = np.frombuffer(pixels, np.uint8).reshape(3, THUMBNAIL, THUMBNAIL)
        written = BytesIO()
        Image.fromarray(array.transpose(1, 2, 0)).save(written, "JPEG", quality=85)
        return written.getvalue()

    def files(self, name: str) -> list[str]:
        """What the images of a class are called, the newest first; `KeyError` where there is no such class."""
        return _files(self._existing(name))[::-1]

    def samples(self, label: int, options: ImageOptions) -> list[bytes]:
        """The first images of the class of this number as the network would see them: uint8 (C, size, size) each.

        What cannot be read is left out, as it is when a version is made. Raises `IndexError` and `ImagesError`.
        """
        names = self.look().classes[label].samples
        pixels = []
        with self._reading() as read:
            for name in names:
                try:
                    pixels.append(decode_image(read(name), options.size, options.channels, options.fit))
                except (ImageRefusedError, KeyError, FileNotFoundError):
                    continue
        return pixels

    @contextmanager
    def _reading(self) -> Iterator[Callable[[str], bytes]]:
        """What reads a file by the name that it has in the source."""
        if not self.zip.is_file():
            yield lambda name: (self.images / name).read_bytes()
            return
        with opened(self.zip) as archive:
            entries = {entry.name: entry for entry in archive.entries}
            yield lambda name: archive.read(entries[name])

    def discard(self) -> None:
        """Throw it away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _collected(self) -> list[FoundClass]:
        found = []
        for name in self.class_names:
            files = _files(self.images / name)
            found.append(FoundClass(name, len(files), tuple(f"{name}/{file}" for file in files[:SAMPLES])))
        return found

    def _existing(self, name: str) -> Path:
        """The folder of a class; names of other places are no classes."""
        if name not in self.class_names:
            raise KeyError(name)
        return self.images / name

    def _image(self, name: str, file: str) -> Path:
        folder = self._existing(name)
        if file not in _files(folder):
            raise KeyError(file)
        return folder / file


def check_zip(path: Path, before: Iterable[str] = ()) -> None:
    """Raise `ImagesError` where the file cannot be a draft's archive. The second time that costs nothing.

    `before` are the classes of the version that it will be added to.
    """
    refuse_classes(sorted({*before, *(found.name for found in _found(path, _stamp(path)).classes)}))


def _files(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder))
    except FileNotFoundError:
        return []


def _stamp(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_mtime_ns, about.st_size


@lru_cache(32)
def _found(path: Path, stamp: tuple[int, int]) -> Found:
    """What the names in an archive say; kept as long as the archive stays the same. Raises `ImagesError`."""
    with opened(path) as archive:
        planned = plan(archive)
    of_class: list[list[Entry]] = [[] for _ in planned.class_names]
    for entry, _, label in planned.images:
        of_class[label].append(entry)
    refused: dict[str, Names] = {}
    for reason, name in planned.refused:
        refused.setdefault(reason, Names()).add(name)
    return Found(
        tuple(
            FoundClass(name, len(entries), tuple(entry.name for entry in entries[:SAMPLES]))
            for name, entries in zip(planned.class_names, of_class, strict=True)
        ),
        refused,
    )
