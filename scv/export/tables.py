"""A run's figures as tables to take away: CSV for a spreadsheet, JSON for a program.

CSV is UTF-8 with a byte order mark, without which spreadsheets misread any name that is not English, and has a line of
names first (RFC 4180). Figures are written with all their digits.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

import msgspec

from scv.training.progress import EpochMetrics, Result

Figure = int | float | None
Cell = str | Figure

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""The wide ones count too where East Asian text is typed."""


def as_csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """A table as CSV. Text that a spreadsheet would carry out as a formula gets an apostrophe before it (OWASP)."""
    text = StringIO()
    writer = csv.writer(text)
    for row in (header, *rows):
        writer.writerow([_harmless(cell) for cell in row])
    return text.getvalue().encode("utf-8-sig", "replace")


def _harmless(cell: Cell) -> Cell:
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_BEGINS_A_FORMULA):
        return f"'{cell}"
    return cell


def as_json(content: Any) -> bytes:
    """Structs and plain data as readable JSON."""
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def history_csv(epochs: Sequence[EpochMetrics]) -> bytes:
    """The epochs of a run, one a row."""
    names = [field.name for field in msgspec.structs.fields(EpochMetrics)]
    return as_csv(names, ([getattr(epoch, name) for name in names] for epoch in epochs))


def history_json(epochs: Sequence[EpochMetrics]) -> bytes:
    """The epochs of a run as a list of objects."""
    return as_json([msgspec.structs.asdict(epoch) for epoch in epochs])


def result_csv(result: Result) -> bytes:
    """What came of a run, a name and a value a row; versions of libraries are named such as `library torch`."""
    facts = _facts(result)
    libraries = facts.pop("libraries")
    rows = [*facts.items(), *((f"library {name}", number) for name, number in libraries.items())]
    return as_csv(("name", "value"), rows)


def result_json(result: Result) -> bytes:
    """What came of a run as one object."""
    return as_json(_facts(result))


def _facts(result: Result) -> dict[str, Any]:
    """All fields but the path of the weights, which means nothing elsewhere."""
    facts = msgspec.structs.asdict(result)
    del facts["weights"]
    return facts


def confusion_csv(matrix: Sequence[Sequence[int]], class_names: Sequence[str]) -> bytes:
    """How many images of each class, a row, were taken for which, a column: (classes, classes) counts."""
    rows: Iterable[list[Cell]] = ([name, *counts] for name, counts in zip(class_names, matrix, strict=True))
    return as_csv(("true \\ predicted", *class_names), rows)


def confusion_json(matrix: Sequence[Sequence[int]], class_names: Sequence[str]) -> bytes:
    """The same as `class_names` and `matrix`, whose rows are the true classes."""
    return as_json({"class_names": class_names, "matrix": matrix})


def classes_csv(class_names: Sequence[str], figures: Mapping[str, Sequence[Figure]]) -> bytes:
    """Figures of each class, such as precision and recall, one class a row; where there is none the cell is empty."""
    rows: Iterable[list[Cell]] = ([name, *values] for name, values in _by_class(class_names, figures))
    return as_csv(("class", *figures), rows)


def classes_json(class_names: Sequence[str], figures: Mapping[str, Sequence[Figure]]) -> bytes:
    """The same as a list of objects."""
    rows = _by_class(class_names, figures)
    return as_json([{"class": name, **dict(zip(figures, values, strict=True))} for name, values in rows])


def _by_class(
    class_names: Sequence[str], figures: Mapping[str, Sequence[Figure]]
) -> Iterator[tuple[str, tuple[Figure, ...]]]:
    """Each class's name with its figures. Raises `ValueError` where there is not one for each."""
    return zip(class_names, zip(*figures.values(), strict=True), strict=True)
