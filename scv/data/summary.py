"""What became of the files of a zip or a folder: how many were taken, and which were left out and why."""

from pathlib import Path

import msgspec

from scv.blocks.message import Message, foreign, mark, say

_NAMES = 5  # that are told of each kind

REASONS = {
    "hidden": mark("hidden files and those of the system"),
    "name": mark("names that are not UTF-8 or hold control characters"),
    "kind": mark("not PNG, JPEG, WebP, BMP, GIF or TIFF by name"),
    "outside": mark("not in a class folder"),
    "empty": mark("empty files"),
    "unreadable": mark("pictures that cannot be read"),
    "small": mark("fewer than 8 pixels wide or high"),
    "large": mark("larger than 50 million pixels, 20,000 pixels wide or high, or 64 MB"),
    "duplicate": mark("the same picture once more"),
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


class Summary(msgspec.Struct, kw_only=True):
    """What became of the files. `train` and `test` count the pictures of each class.

    `refused` has a key of `REASONS` for each kind of file that was left out. `repeated` are pictures of one part that
    the other part has as well: they were taken, and make the test easier than it looks. `fit` is how they became
    square.
    """

    class_names: list[str]
    train: list[int]
    test: list[int]
    refused: dict[str, Names]
    repeated: Names
    fit: str = "crop"

    def refuse(self, reason: str, name: str) -> None:
        """Count a file that is left out."""
        self.refused.setdefault(reason, Names()).add(name)


def read_summary(folder: Path) -> Summary:
    """The summary of pictures that were imported. Raises `OSError` or `msgspec.DecodeError` where there is none."""
    return msgspec.json.decode((folder / "import.json").read_bytes(), type=Summary)


def write_summary(folder: Path, summary: Summary) -> None:
    """Put the summary to the pictures."""
    (folder / "import.json").write_bytes(msgspec.json.encode(summary))


def told(summary: Summary) -> list[Message]:
    """What was taken and what was left out, a sentence for each kind of file."""
    messages = [
        say(
            "{train} pictures to learn from and {test} to test.",
            train=sum(summary.train),
            test=sum(summary.test),
        )
    ]
    for reason, text in REASONS.items():
        names = summary.refused.get(reason)
        if names is not None:
            messages.append(
                say(
                    "Left out, {reason}: {count} ({names}).",
                    reason=Message(text),
                    count=names.count,
                    names=_listed(names),
                )
            )
    if summary.repeated.count:
        messages.append(
            say(
                "Pictures that are learned from and tested with as well, so that the test is easier than it looks: "
                "{count} ({names}).",
                count=summary.repeated.count,
                names=_listed(summary.repeated),
            )
        )
    return messages


def _listed(names: Names) -> str:
    return ", ".join(names.first) + (", …" if names.count > len(names.first) else "")
