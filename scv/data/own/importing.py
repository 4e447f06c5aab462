"""A person's own images as a dataset: from a zip or a folder of class folders to the resident form.

The images pass through one after the other. The reading thread hands batches of files to threads that decode, and
takes them back in the order in which it gave them: so the result is the same however many there are, and memory holds
a few batches and no more.
"""

import os
import warnings
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scv.data.images.decode import ImageRefusedError, decode_image
from scv.data.own.archives import MOST_FILES, Archive, Entry, ImagesError, opened, unwritable
from scv.data.own.export import exported_name
from scv.data.own.layout import Sorting, arranged, by_class, reason_by_name
from scv.data.own.summary import ImportSummary, Names, read_summary, write_summary
from scv.data.part_writer import PartWriter
from scv.data.resident import Resident, ResidentError, in_parts, open_resident
from scv.data.resident_writer import new_resident, one_at_a_time, sweep
from scv.message import foreign, say

MOST_CLASSES = 200
SIZES = (28, 224)
"""The smallest and the largest side of the images that a network sees, in pixels."""

_RULES = 2
"""Raised when the same file is to give other pixels or parts than before: what was imported by older rules is left."""
_MOST_WORKERS = 4  # each may hold a large image; more would wait for Python's lock
_BATCH = 64  # files
_BATCH_BYTES = 4 * 2**20
LEAST_OF_A_CLASS = 5
"""Images, where they come without parts: so that one is for the test."""


class ImageOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The form that images are brought into: `size` × `size` pixels. Raises `ImagesError` for another size."""

    size: int = 64
    color: bool = True
    fit: Literal["crop", "pad", "stretch"] = "crop"

    def __post_init__(self) -> None:
        if not SIZES[0] <= self.size <= SIZES[1]:
            raise ImagesError(
                say(
                    "Images can be {least} to {most} pixels wide and high, not {size}.",
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
    """What the names alone say: the classes, the images in order with their part and label, and what is left out."""

    class_names: list[str]
    images: list[tuple[Entry, str, int]]
    refused: list[tuple[str, str]]  # reason, name


Progress = Callable[[int, int], None]
"""Hears how many of how many files are done; what it raises ends the import without a trace."""


def plan(archive: Archive, *, bare: bool = False) -> Plan:
    """Find the classes and the images of each by names alone. Raises `ImagesError` where there are none.

    `bare` says that the folders at the top are the classes, whatever they are called: they are no parts.
    """
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
            raise ImagesError(
                say(
                    "The name of the folder {name} is not UTF-8 or holds control characters. Rename it.",
                    name=foreign(folder),
                )
            )
    names = [entry.name for entry in entries]
    classes, places = (
        by_class(names, [name.split("/") for name in names], [""] * len(names)) if bare else arranged(names)
    )
    if not classes:
        raise ImagesError(say("There must be a folder for each class, with images in it, and two classes at least."))
    placed = {index for index, _, _ in places}
    refused += [("outside", entry.name) for index, entry in enumerate(entries) if index not in placed]
    return Plan(classes, [(entries[index], part, label) for index, part, label in places], sorted(refused))


def refuse_classes(names: Sequence[str]) -> None:
    """Raise `ImagesError` where so many classes are too few or too many for a dataset."""
    if len(names) < 2:
        raise ImagesError(
            say("There is only one class, {name}. Two are needed, a folder for each.", name=foreign(names[0]))
            if names
            else say("There is no image left.")
        )
    if len(names) > MOST_CLASSES:
        raise ImagesError(
            say("There are {count} classes; at most {most} are allowed.", count=len(names), most=MOST_CLASSES)
        )


def name_of(source: Path, options: ImageOptions) -> str:
    """The name of the dataset in the data folder: the same for the same content and options. Raises `ImagesError`."""
    with opened(source) as archive:
        text = f"{_RULES} {options.size} {options.channels} {options.fit} {archive.digest()}"
    return f"pictures-{sha256(text.encode()).hexdigest()[:24]}"


def prepare_images(
    data_dir: Path, source: Path, options: ImageOptions, progress: Progress | None = None
) -> tuple[Resident, ImportSummary]:
    """Open the images' resident form in the data folder; written first where it is not there yet.

    Two processes may do so at once: one works, the other waits for it. Raises `ImagesError`.
    """
    name = name_of(source, options)
    folder = data_dir / "datasets" / name
    with one_at_a_time(folder):
        with suppress(ResidentError, OSError, msgspec.DecodeError):
            return open_resident(data_dir, name), read_summary(folder)
        sweep(data_dir, name)
        summary = import_images(source, folder, options, progress)
        return open_resident(data_dir, name), summary


def import_images(
    source: Path, target: Path, options: ImageOptions, progress: Progress | None = None, *, workers: int | None = None
) -> ImportSummary:
    """Write the images of a zip or of a folder as the resident form in the folder `target`.

    `target` appears, or is replaced, at the end; after a failure or an interruption nothing is left. `workers` threads
    decode, by default one for each core, up to four. Raises `ImagesError`.
    """
    with opened(source) as archive:
        return write_images(target, plan(archive), options, archive=archive, progress=progress, workers=workers)


class Kept(NamedTuple):
    """Images of an earlier version that stay: by the class that they have now, their indices in it.

    `parted` says that somebody gave them their parts, or some of them.
    """

    resident: Resident
    train: list[NDArray[np.intp]]
    test: list[NDArray[np.intp]]
    parted: bool

    def __len__(self) -> int:
        """How many there are."""
        return sum(map(len, (*self.train, *self.test)))


def write_images(
    target: Path,
    planned: Plan,
    options: ImageOptions,
    *,
    archive: Archive | None = None,
    kept: Kept | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> ImportSummary:
    """Write what is kept of an earlier version and the planned images of an archive, class by class, as `target`.

    The planned classes are those of both. All else is as `import_images` says.
    """
    refuse_classes(planned.class_names)
    try:
        with new_resident(target, tuple(planned.class_names)) as temporary:
            writer = _ArrayWriter(temporary, planned, options, kept, progress or _nobody)
            summary = writer.fill(archive, workers or min(_MOST_WORKERS, os.cpu_count() or 1))
            write_summary(temporary, summary)
    except OSError as error:
        raise unwritable(error) from error
    return summary


class _ArrayWriter:
    """Writes the arrays in the folder: of each class first what is kept, then what is new."""

    def __init__(
        self, folder: Path, planned: Plan, options: ImageOptions, kept: Kept | None, progress: Progress
    ) -> None:
        self.folder, self.planned, self.options, self.kept, self.progress = folder, planned, options, kept, progress
        self.sorting = Sorting()
        self.validation: list[int] = []  # of the training images, which are for that
        self.done, self.total = 0, len(planned.images) + (len(kept) if kept else 0)
        classes = len(planned.class_names)
        self.summary = ImportSummary(
            class_names=planned.class_names,
            train=[0] * classes,
            validation=[0] * classes,
            test=[0] * classes,
            parted=any(part for _, part, _ in planned.images) or bool(kept and kept.parted),
            refused={},
            repeated=Names(),
            fit=options.fit,
        )
        for reason, name in planned.refused:
            self.summary.refuse(reason, name)
        self.counts = {"train": self.summary.train, "val": self.summary.validation, "test": self.summary.test}

    def fill(self, archive: Archive | None, workers: int) -> ImportSummary:
        """Write the arrays. Raises `ImagesError` where a class has too few images."""
        wanted, shape = self.planned.images, (self.options.channels, self.options.size, self.options.size)
        for label in range(len(self.planned.class_names)):
            self._recognize(label)
        with ExitStack() as stack:
            self.train = stack.enter_context(PartWriter(self.folder, "train", shape))
            self.test = stack.enter_context(PartWriter(self.folder, "test", shape))
            behind = 0  # classes whose kept images are written
            if archive is not None:
                decoded = stack.enter_context(closing(_decoded(archive, wanted, self.options, workers)))
                for number, ((entry, part, label), pixels) in enumerate(zip(wanted, decoded, strict=True), 1):
                    self._copy(range(behind, label + 1))
                    behind = label + 1
                    self._add(entry, part, label, pixels)
                    self.done += 1
                    if number % _BATCH == 0 or number == len(wanted):
                        self.progress(self.done, self.total)
            self._copy(range(behind, len(self.planned.class_names)))
            if self.validation:
                np.save(self.folder / "validation.npy", np.array(self.validation, dtype=np.int64))
            _refuse_too_few(self.summary, self.planned, changed=self.kept is not None)
        return self.summary

    def _add(self, entry: Entry, part: str, label: int, pixels: bytes | str) -> None:
        """Take a new image, or count why not."""
        if isinstance(pixels, str):
            self.summary.refuse(pixels, entry.name)
            return
        place, elsewhere = self.sorting.part(pixels, part, label)
        if place is None:
            self.summary.refuse("duplicate", entry.name)
            return
        if elsewhere:
            self.summary.repeated.add(entry.name)
        self._write(pixels, label, [place])

    def _pieces(self, label: int) -> Iterator[tuple[NDArray[np.uint8], list[str]]]:
        """What is kept of a class, some of it at a time, and the part of each image."""
        if self.kept is None:
            return
        before, train, test = self.kept.resident, self.kept.train[label], self.kept.test[label]
        for images, indices, parts in (
            (before.train_images, train, before.train_parts[train].tolist()),
            (before.test_images, test, ["test"] * len(test)),
        ):
            start = 0
            for piece in in_parts(images, indices):
                yield piece, parts[start : start + len(piece)]
                start += len(piece)

    def _recognize(self, label: int) -> None:
        """Remember what is kept of a class, before anything new is compared with it."""
        count = Counter[bool]()  # those for validation are counted with those to learn from
        for piece, parts in self._pieces(label):
            for image, part in zip(piece, parts, strict=True):
                count[part == "test"] += 1
                _, elsewhere = self.sorting.part(image.tobytes(), part, label)
                if elsewhere:
                    name = self.planned.class_names[label]
                    self.summary.repeated.add(exported_name(part, name, count[part == "test"]))
            self.progress(0, self.total)

    def _copy(self, labels: range) -> None:
        """Write what is kept of some classes."""
        for label in labels:
            for piece, parts in self._pieces(label):
                self._write(piece.data, label, parts)
                self.done += len(piece)
                self.progress(self.done, self.total)

    def _write(self, pixels: bytes | memoryview, label: int, parts: list[str]) -> None:
        """Append images of a class; their parts are all "test", or none is."""
        writer = self.test if parts[0] == "test" else self.train
        self.validation += [len(writer) + number for number, part in enumerate(parts) if part == "val"]
        writer.add(pixels, label, len(parts))
        for part in parts:
            self.counts[part][label] += 1


def _decoded(
    archive: Archive, images: list[tuple[Entry, str, int]], options: ImageOptions, workers: int
) -> Generator[bytes | str, None, None]:
    """The pixels of each image in order, or the reason why it is left out."""
    Image.init()  # the readers are loaded once, before threads ask for them at once
    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
        warnings.simplefilter("ignore")  # what Pillow thinks of a file's fields helps nobody here
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        waiting: deque[Future[list[bytes | str]]] = deque()
        try:
            for batch in _batches(archive, iter(images)):
                waiting.append(pool.submit(_decode, batch, options))
                if len(waiting) > 2 * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _batches(archive: Archive, images: Iterator[tuple[Entry, str, int]]) -> Iterator[list[bytes | str]]:
    """Some files' bytes at a time: so many, or so large, that a thread has something to do."""
    batch: list[bytes | str] = []
    size = 0
    for entry, _, _ in images:
        try:
            data: bytes | str = archive.read(entry)
        except ImageRefusedError as error:
            data = str(error)
        batch.append(data)
        size += len(data)
        if len(batch) == _BATCH or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    yield batch


def _decode(batch: list[bytes | str], options: ImageOptions) -> list[bytes | str]:
    decoded: list[bytes | str] = []
    for data in batch:
        try:
            decoded.append(
                data if isinstance(data, str) else decode_image(data, options.size, options.channels, options.fit)
            )
        except ImageRefusedError as error:
            decoded.append(str(error))
    return decoded


def _refuse_too_few(summary: ImportSummary, planned: Plan, *, changed: bool) -> None:
    """Raise `ImagesError` where a class has too few images, or there are too many.

    Where nobody gave parts, a class needs so many that one of them is for the test. `changed` says that images of an
    earlier version are among them.
    """
    for name, *counts in zip(summary.class_names, summary.train, summary.validation, summary.test, strict=True):
        count = sum(counts)
        if not summary.parted and count < LEAST_OF_A_CLASS:
            raise ImagesError(
                say(
                    "The class {name} would have {count} images; at least {least} are needed.",
                    name=foreign(name),
                    count=count,
                    least=LEAST_OF_A_CLASS,
                )
                if changed
                else say(
                    "The class {name} needs {least} images that can be read; {count} were found, "
                    "the same one counted once.",
                    name=foreign(name),
                    count=count,
                    least=LEAST_OF_A_CLASS,
                )
            )
        if not counts[0]:
            raise ImagesError(
                say("The class {name} would have no training image.", name=foreign(name))
                if changed
                else say("The class {name} has no readable training image.", name=foreign(name))
            )
    if not any(summary.test):
        raise ImagesError(say("There would be no test image.") if changed else say("There is no readable test image."))
    if not any(summary.validation) and any(part == "val" for _, part, _ in planned.images):
        raise ImagesError(say("There is no readable validation image."))
    count = sum(summary.train) + sum(summary.validation) + sum(summary.test)
    if count > MOST_FILES:
        raise ImagesError(
            say("There would be {count} images; at most {most} are allowed.", count=count, most=MOST_FILES)
        )


def _nobody(done: int, total: int) -> None:
    """Hear the progress and do nothing with it."""
