"""What became of the files of a zip or a folder: how many were taken, and which were left out and why."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from scv.message import Message, foreign, mark, say

_NAMES = 5  # that are told of each kind

FEW = 50
"""Images to learn from, of a class. With 10, 20, 50, 100, 200 of each digit of MNIST the starter "cnn" gets 19, 11,
6, 4, 3 of 100 test images wrong (means of the seeds 0, 1, 2)."""

UNBALANCED = 3
"""How many times the images of the smallest class the largest may have. With 200 of each digit, and of the eights
that many, a half, a third, a fifth, a tenth of it, the same network misses 3, 10, 8, 13, 23 of 100 eights."""

REASONS = {
    "hidden": mark("hidden files and those of the system"),
    "name": mark("names that are not UTF-8 or hold control characters"),
    "kind": mark("not PNG, JPEG, WebP, BMP, GIF or TIFF by name"),
    "outside": mark("not in a class folder"),
    "empty": mark("empty files"),
    "unreadable": mark("images that cannot be read"),
    "small": mark("fewer than 8 pixels wide or high"),
    "large": mark("larger than 50 million pixels, 20,000 pixels wide or high, or 64 MB"),
    "duplicate": mark("the same image once more"),
}
"""Why files are left out, in the order in which it is told."""


class Names(msgspec.Struct):
    """How many files, and what the first ones are called."""

    count: int = 0
    first: list[str] = []

    def add(self, name: str) -> None:
        """One more."""
        self.count += 1
        if len(self.first) < _NAMES:
            self.first.append(foreign(name, 100))


class ImportSummary(msgspec.Struct, kw_only=True):
    """What became of the files. `train`, `validation` and `test` count the images of each class.

    `train` are those to learn from alone. `validation` are those that the dataset itself has for that: where it has
    none, trainings hold out a share of `train`. `parted` says that somebody gave the images their parts, or some of
    them. `refused` has a key of `REASONS` for each kind of file that was left out. `repeated` are images of one part
    that another part has as well: they were taken, and make the scores better than the network.
    `fit` is how they became square.
    """

    class_names: list[str]
    train: list[int]
    validation: list[int]
    test: list[int]
    parted: bool
    refused: dict[str, Names]
    repeated: Names
    fit: str = "crop"

    def refuse(self, reason: str, name: str) -> None:
        """Count a file that is left out."""
        self.refused.setdefault(reason, Names()).add(name)


def read_summary(folder: Path) -> ImportSummary:
    """The summary of images that were imported. Raises `OSError` or `msgspec.DecodeError` where there is none."""
    return msgspec.json.decode((folder / "import.json").read_bytes(), type=ImportSummary)


def write_summary(folder: Path, summary: ImportSummary) -> None:
    """Put the summary to the images."""
    (folder / "import.json").write_bytes(msgspec.json.encode(summary))


def told(summary: ImportSummary) -> list[Message]:
    """What became of the files, and then what `warnings_of` says."""
    return taken(summary) + warnings_of(summary)


def taken(summary: ImportSummary) -> list[Message]:
    """What was taken and what was left out, a sentence for each kind of file."""
    counts = {"train": sum(summary.train), "test": sum(summary.test)}
    messages = [
        say(
            "{train} training, {validation} validation and {test} test images.",
            **counts,
            validation=sum(summary.validation),
        )
        if any(summary.validation)
        else say("{train} training images and {test} test images.", **counts)
    ]
    return messages + left_out(summary.refused)


def left_out(refused: Mapping[str, Names]) -> list[Message]:
    """A sentence for each reason of `REASONS`."""
    return [
        say(
            "Skipped, {reason}: {count} ({names}).",
            reason=Message(text),
            count=refused[reason].count,
            names=_listed(refused[reason]),
        )
        for reason, text in REASONS.items()
        if reason in refused
    ]


def warnings_of(summary: ImportSummary) -> list[Message]:
    """What may make a network learn badly, or its scores mean little: a sentence for each."""
    found = (check(summary) for check in (_few, _unbalanced, _unvalidated, _untested, _repeated, _alike))
    return [message for message in found if message is not None]


def _few(summary: ImportSummary) -> Message | None:
    counts = zip(summary.class_names, summary.train, strict=True)
    few = _names_of(name for name, count in counts if count < FEW)
    if not few.count:
        return None
    return say(
        "Classes with fewer than {few} training images: {count} ({names}). More images give a better network.",
        few=FEW,
        count=few.count,
        names=_listed(few),
    )


def _unbalanced(summary: ImportSummary) -> Message | None:
    counts = dict(zip(summary.class_names, summary.train, strict=True))
    largest, smallest = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if counts[largest] <= UNBALANCED * counts[smallest]:
        return None
    return say(
        "{largest} has {times} times as many images as {smallest}: the network will prefer the larger "
        "class. Add images to the smaller one.",
        largest=foreign(largest),
        times=counts[largest] // counts[smallest],
        smallest=foreign(smallest),
    )


def _unvalidated(summary: ImportSummary) -> Message | None:
    """Of a class with a single image none can be held out."""
    given = any(summary.validation)
    counts = zip(summary.class_names, summary.train, summary.validation, strict=True)
    missing = _names_of(name for name, train, validation in counts if not validation and (given or train < 2))
    if not missing.count:
        return None
    return say(
        "Classes without a validation image, which therefore do not count when the best epoch is "
        "chosen: {count} ({names}).",
        count=missing.count,
        names=_listed(missing),
    )


def _untested(summary: ImportSummary) -> Message | None:
    untested = _names_of(name for name, count in zip(summary.class_names, summary.test, strict=True) if not count)
    if not untested.count:
        return None
    return say(
        "Classes without a test image, about which the test says nothing: {count} ({names}).",
        count=untested.count,
        names=_listed(untested),
    )


def _repeated(summary: ImportSummary) -> Message | None:
    if not summary.repeated.count:
        return None
    return say(
        "Images that are in more than one part, so that the scores are better than the network: {count} ({names}).",
        count=summary.repeated.count,
        names=_listed(summary.repeated),
    )


def _alike(summary: ImportSummary) -> Message | None:
    lower = Counter(name.casefold() for name in summary.class_names)
    alike = _names_of(name for name in summary.class_names if lower[name.casefold()] > 1)
    if not alike.count:
        return None
    return say("Classes whose names differ only in upper and lower case: {names}.", names=_listed(alike))


def _names_of(names: Iterable[str]) -> Names:
    found = Names()
    for name in names:
        found.add(name)
    return found


def _listed(names: Names) -> str:
    return ", ".join(names.first) + (", …" if names.count > len(names.first) else "")
