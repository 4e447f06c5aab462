"""A version of somebody's own dataset: made from the one before, of which images go and classes get other names, and
from new images.

What is kept is copied from the mapped arrays a piece at a time, and the new images pass through as in `importing`,
whose rules hold for all of them together.
"""

from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from scv.data.own.archives import Archive, ImagesError, opened, unwritable
from scv.data.own.class_names import class_name
from scv.data.own.importing import ImageOptions, Kept, Plan, Progress, plan, write_images
from scv.data.own.summary import ImportSummary, read_summary, write_summary
from scv.data.resident import Resident, ResidentError, open_resident
from scv.data.resident_writer import one_at_a_time, renamed_resident, sweep
from scv.message import foreign, say


class VersionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How a version is made; as JSON it can be handed to another process.

    `target` and `previous` are names of resident forms in the data folder. `source` is the path of a zip, or of a
    folder in which each class has a folder, whatever that is called: unlike a zip, it has no folders of parts.

    `renamed` gives classes of the previous version other names; two of one name become one class, the images of the
    one that was first by name before those of the other. Images of the source keep the class of their folder.
    `dropped_train` and `dropped_test` are indices into the previous version's `train_images`, those for validation
    being among them, and `test_images`. A class of which no image is left, and none is new, is gone.
    """

    target: str
    previous: str | None = None
    options: ImageOptions
    source: str | None = None
    renamed: dict[str, str] = {}
    dropped_train: tuple[int, ...] = ()
    dropped_test: tuple[int, ...] = ()


def make_version(
    data_dir: Path, wanted: VersionPlan, progress: Progress | None = None, *, workers: int | None = None
) -> ImportSummary:
    """Write the version's resident form, with its summary, and return that.

    It appears, or is replaced, at the end by one rename; after a failure or an interruption nothing is left, and what
    a killed process left is swept away. A new image that has no part is left out where the dataset has it in any, one
    with a part where the dataset has it in that part. `progress` hears of kept images as of new ones, first several
    times that none is done. `workers` is as for `import_images`. Raises `ImagesError`.
    """
    try:
        with one_at_a_time(data_dir / "datasets" / wanted.target):
            sweep(data_dir, wanted.target)
            if wanted.source is None:
                return _make(data_dir, wanted, None, progress, workers)
            with opened(Path(wanted.source)) as archive:
                return _make(data_dir, wanted, archive, progress, workers)
    except OSError as error:
        raise unwritable(error) from error


def _make(
    data_dir: Path, wanted: VersionPlan, archive: Archive | None, progress: Progress | None, workers: int | None
) -> ImportSummary:
    folder = data_dir / "datasets"
    bare = wanted.source is not None and Path(wanted.source).is_dir()
    planned, kept = Plan([], [], []) if archive is None else plan(archive, bare=bare), None
    if wanted.previous is not None:
        before, summary = _open(data_dir, wanted.previous, wanted.options)
        now = _names_now(wanted, before)
        planned, kept = _joined(wanted, before, now, summary.parted, planned)
        same = now == planned.class_names and not (wanted.dropped_train or wanted.dropped_test)
        if same and archive is None and not summary.repeated.count:  # whose names would be others
            return _renamed(folder / wanted.previous, folder / wanted.target, now, summary)
    return write_images(
        folder / wanted.target,
        planned,
        wanted.options,
        archive=archive,
        kept=kept,
        progress=progress,
        workers=workers,
    )


def _open(data_dir: Path, name: str, options: ImageOptions) -> tuple[Resident, ImportSummary]:
    try:
        before, summary = open_resident(data_dir, name), read_summary(data_dir / "datasets" / name)
    except (ResidentError, OSError, msgspec.DecodeError) as error:
        raise ImagesError(say("The version that this one is made of cannot be read.")) from error
    if before.shape != (options.channels, options.size, options.size):
        raise ImagesError(say("The images of this dataset have another size, or other colours."))
    return before, summary


def _names_now(wanted: VersionPlan, before: Resident) -> list[str]:
    """What the previous version's classes are called now, in the order of its labels."""
    for name in wanted.renamed:
        if name not in before.class_names:
            raise ImagesError(say("There is no class {name}.", name=foreign(name)))
    return [class_name(wanted.renamed[name]) if name in wanted.renamed else name for name in before.class_names]


def _joined(wanted: VersionPlan, before: Resident, now: list[str], parted: bool, new: Plan) -> tuple[Plan, Kept]:
    """The new images with the classes of both, and what is kept of the version before."""
    parts = [
        _staying(before.train_labels, wanted.dropped_train),
        _staying(before.test_labels, wanted.dropped_test),
    ]
    there = {now[label] for labels in parts for label in np.unique(labels) if label >= 0}
    names = sorted(there | set(new.class_names))
    for old, name in zip(before.class_names, now, strict=True):
        if old in wanted.renamed and name in there:
            class_name(name, names)
    train, test = ([_of_class(labels, now, name) for name in names] for labels in parts)
    labels = [names.index(name) for name in new.class_names]
    images = [(entry, part, labels[label]) for entry, part, label in new.images]
    return Plan(names, images, new.refused), Kept(before, train, test, parted)


def _staying(labels: NDArray[np.int64], dropped: tuple[int, ...]) -> NDArray[np.int64]:
    """The labels, with -1 for what is dropped. Raises `ImagesError` where that is not there."""
    for index in dropped:
        if not 0 <= index < len(labels):
            raise ImagesError(say("There is no image {number} in this dataset.", number=index))
    staying = labels.copy()
    staying[list(dropped)] = -1
    return staying


def _of_class(labels: NDArray[np.int64], now: list[str], name: str) -> NDArray[np.intp]:
    """Where the labels are those of classes that have this name now: class by class, in order."""
    old = [np.flatnonzero(labels == label) for label, other in enumerate(now) if other == name]
    return np.concatenate([np.empty(0, np.intp), *old])


def _renamed(before: Path, target: Path, names: list[str], summary: ImportSummary) -> ImportSummary:
    """The version with other names for its classes, in the same order: its arrays are not copied."""
    summary = msgspec.structs.replace(summary, class_names=names, refused={})
    with renamed_resident(before, target, tuple(names)) as temporary:
        write_summary(temporary, summary)
    return summary
