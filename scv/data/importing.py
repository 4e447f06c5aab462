"""A person's own pictures as a dataset: from a zip or a folder of class folders to the resident form.

The pictures pass through one after the other. The reading thread hands batches of files to threads that decode, and
takes them back in the order in which it gave them: so the result is the same however many there are, and memory holds
a few batches and no more.
"""

import os
import shutil
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from PIL import Image

from scv.blocks.message import foreign, say
from scv.data.archives import Archive, Entry, PicturesError, opened
from scv.data.layout import Sorting, arranged, reason_by_name
from scv.data.pictures import RefusedError, picture
from scv.data.resident import Resident, ResidentError, new_resident, one_at_a_time, open_resident
from scv.data.summary import Names, Summary, read_summary, write_summary

MOST_CLASSES = 200
SIZES = (28, 224)
"""The smallest and the largest side of the pictures that a network sees, in pixels."""

_RULES = 1
"""Raised when the same file is to give other pixels or parts than before: what was imported by older rules is left."""
_MOST_WORKERS = 4  # each may hold a large picture; more would wait for Python's lock
_BATCH = 64  # files
_BATCH_BYTES = 4 * 2**20
_LEAST_OF_A_CLASS = 5  # so that one is for the test


class PictureOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The form that pictures are brought into: `size` × `size` pixels. Raises `PicturesError` for another size."""

    size: int = 64
    color: bool = True
    fit: Literal["crop", "pad", "stretch"] = "crop"

    def __post_init__(self) -> None:
        if not SIZES[0] <= self.size <= SIZES[1]:
            raise PicturesError(
                say(
                    "Pictures can be {least} to {most} pixels wide and high, not {size}.",
                    least=SIZES[0],
                    most=SIZES[1],
                    size=self.size,
                )
            )

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return 3 if self.color else 1


class Plan(NamedTuple):
    """What the names alone say: the classes, the pictures in order with their part and label, and what is left out."""

    class_names: list[str]
    pictures: list[tuple[Entry, str, int]]
    refused: list[tuple[str, str]]  # reason, name


Progress = Callable[[int, int], None]
"""Hears how many of how many files are done; what it raises ends the import without a trace."""


def plan(archive: Archive) -> Plan:
    """Find the classes and the pictures of each by names alone. Raises `PicturesError`."""
    entries: list[Entry] = []
    refused: list[tuple[str, str]] = []
    for entry in archive.entries:
        reason = reason_by_name(entry.name)
        if reason is None:
            entries.append(entry)
            continue
        refused.append((reason, entry.name))
        folder = entry.name.rpartition("/")[0]
        if reason == "name" and reason_by_name(f"{folder}/x.png") == "name":
            raise PicturesError(
                say(
                    "The name of the folder {name} is not UTF-8 or holds control characters. Rename it.",
                    name=foreign(folder),
                )
            )
    classes, places = arranged([entry.name for entry in entries])
    if len(classes) < 2:
        raise PicturesError(
            say("There must be a folder for each class, with pictures in it, and two classes at least.")
            if not classes
            else say("There is only one class, {name}. Two are needed, a folder for each.", name=foreign(classes[0]))
        )
    if len(classes) > MOST_CLASSES:
        raise PicturesError(
            say("There are {count} classes; {most} are the most.", count=len(classes), most=MOST_CLASSES)
        )
    placed = {index for index, _, _ in places}
    refused += [("outside", entry.name) for index, entry in enumerate(entries) if index not in placed]
    return Plan(classes, [(entries[index], part, label) for index, part, label in places], sorted(refused))


def name_of(source: Path, options: PictureOptions) -> str:
    """The name of the dataset in the data folder: the same for the same content and options. Raises `PicturesError`."""
    with opened(source) as archive:
        text = f"{_RULES} {options.size} {options.channels} {options.fit} {archive.digest()}"
    return f"pictures-{sha256(text.encode()).hexdigest()[:24]}"


def prepare_pictures(
    data_dir: Path, source: Path, options: PictureOptions, progress: Progress | None = None
) -> tuple[Resident, Summary]:
    """Open the pictures' resident form in the data folder; written first where it is not there yet.

    Two processes may do so at once: one works, the other waits for it. Raises `PicturesError`.
    """
    name = name_of(source, options)
    folder = data_dir / "datasets" / name
    with one_at_a_time(folder):
        with suppress(ResidentError, OSError, msgspec.DecodeError):
            return open_resident(data_dir, name), read_summary(folder)
        for left in folder.parent.glob(f".{name}-*"):
            shutil.rmtree(left, ignore_errors=True)  # of a process that was killed
        summary = import_pictures(source, folder, options, progress)
        return open_resident(data_dir, name), summary


def import_pictures(
    source: Path, target: Path, options: PictureOptions, progress: Progress | None = None, *, workers: int | None = None
) -> Summary:
    """Write the pictures of a zip or of a folder as the resident form in the folder `target`.

    `target` appears, or is replaced, at the end; after a failure or an interruption nothing is left. `workers` threads
    decode, by default one for each core, up to four. Raises `PicturesError`.
    """
    try:
        with opened(source) as archive:
            planned = plan(archive)
            threads = workers or min(_MOST_WORKERS, os.cpu_count() or 1)
            with new_resident(target, tuple(planned.class_names)) as temporary:
                summary = _fill(temporary, archive, planned, options, progress or _nobody, threads)
                write_summary(temporary, summary)
    except OSError as error:
        reason = foreign((error.strerror or "unknown reason").lower())
        raise PicturesError(say("The pictures could not be written: {reason}.", reason=reason)) from error
    return summary


def _fill(
    folder: Path, archive: Archive, planned: Plan, options: PictureOptions, progress: Progress, workers: int
) -> Summary:
    """Write the four arrays."""
    classes = len(planned.class_names)
    summary = Summary(
        class_names=planned.class_names,
        train=[0] * classes,
        test=[0] * classes,
        refused={},
        repeated=Names(),
        fit=options.fit,
    )
    for reason, name in planned.refused:
        summary.refuse(reason, name)
    counts = {"train": summary.train, "test": summary.test}
    sorting = Sorting()
    shape = (options.channels, options.size, options.size)
    with (
        _Writer(folder, "train", shape) as train,
        _Writer(folder, "test", shape) as test,
        closing(_decoded(archive, planned.pictures, options, workers)) as decoded,
    ):
        writers = {"train": train, "test": test}
        for done, ((entry, part, label), pixels) in enumerate(zip(planned.pictures, decoded, strict=True), 1):
            if isinstance(pixels, str):
                summary.refuse(pixels, entry.name)
            else:
                place, elsewhere = sorting.part(pixels, part, label)
                if place is None:
                    summary.refuse("duplicate", entry.name)
                else:
                    writers[place].add(pixels, label)
                    counts[place][label] += 1
                    if elsewhere:
                        summary.repeated.add(entry.name)
            if done % _BATCH == 0 or done == len(planned.pictures):
                progress(done, len(planned.pictures))
        _refuse_too_few(summary, bool(planned.pictures[0][1]))
    return summary


def _decoded(
    archive: Archive, pictures: list[tuple[Entry, str, int]], options: PictureOptions, workers: int
) -> Generator[bytes | str, None, None]:
    """The pixels of each picture in order, or the reason why it is left out."""
    Image.init()  # the readers are loaded once, before threads ask for them at once
    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
        warnings.simplefilter("ignore")  # what Pillow thinks of a file's fields helps nobody here
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        waiting: deque[Future[list[bytes | str]]] = deque()
        try:
            for batch in _batches(archive, iter(pictures)):
                waiting.append(pool.submit(_decode, batch, options))
                if len(waiting) > 2 * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _batches(archive: Archive, pictures: Iterator[tuple[Entry, str, int]]) -> Iterator[list[bytes | str]]:
    """Some files' bytes at a time: so many, or so large, that a thread has something to do."""
    batch: list[bytes | str] = []
    size = 0
    for entry, _, _ in pictures:
        try:
            data: bytes | str = archive.read(entry)
        except RefusedError as error:
            data = str(error)
        batch.append(data)
        size += len(data)
        if len(batch) == _BATCH or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    yield batch


def _decode(batch: list[bytes | str], options: PictureOptions) -> list[bytes | str]:
    decoded: list[bytes | str] = []
    for data in batch:
        try:
            decoded.append(
                data if isinstance(data, str) else picture(data, options.size, options.channels, options.fit)
            )
        except RefusedError as error:
            decoded.append(str(error))
    return decoded


def _refuse_too_few(summary: Summary, given: bool) -> None:
    """Raise `PicturesError` where a class has too few pictures; `given` says that the parts are the source's own."""
    for name, train, test in zip(summary.class_names, summary.train, summary.test, strict=True):
        if given and not train:
            raise PicturesError(
                say("The class {name} has no picture to learn from that can be read.", name=foreign(name))
            )
        if not given and train + test < _LEAST_OF_A_CLASS:
            raise PicturesError(
                say(
                    "The class {name} needs {least} pictures that can be read; {count} were found, "
                    "the same one counted once.",
                    name=foreign(name),
                    count=train + test,
                    least=_LEAST_OF_A_CLASS,
                )
            )
    if not any(summary.test):
        raise PicturesError(say("There is no picture for the test that can be read."))


class _Writer:
    """Two of the arrays, written as they come; how many there are is filled in at the end."""

    def __init__(self, folder: Path, part: str, shape: tuple[int, int, int]) -> None:
        self._labels_path = folder / f"{part}_labels.npy"
        self._shape = shape
        self._labels: list[int] = []
        self._file = (folder / f"{part}_images.npy").open("wb")

    def __enter__(self) -> "_Writer":
        self._write_header()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(*([OSError] if kind else [])), self._file:
            self._file.seek(0)
            self._write_header()
        if kind is None:
            np.save(self._labels_path, np.array(self._labels, dtype=np.int64))

    def add(self, pixels: bytes, label: int) -> None:
        """Append an image."""
        self._file.write(pixels)
        self._labels.append(label)

    def _write_header(self) -> None:
        # numpy leaves room in it for the first axis to grow
        about = {"descr": "|u1", "fortran_order": False, "shape": (len(self._labels), *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, about)


def _nobody(done: int, total: int) -> None:
    """Hear the progress and do nothing with it."""
