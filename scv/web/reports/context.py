"""What stands around a section of a report where it is shown: its folder, its classes' names, its reader's choices."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec

from scv.report.contents import Failed, decode_section


@dataclass(frozen=True)
class Around:
    """What stands around a section: the report's folder, the names of the classes, what its reader chose.

    `whole` is for the file: everything is in it, as nothing can be chosen.
    """

    folder: Path
    class_names: Sequence[str]
    chosen: Mapping[str, str]
    whole: bool = False

    def name(self, label: int) -> str:
        """What a class is called: by its number where its name is not known."""
        return self.class_names[label] if label < len(self.class_names) else str(label)


S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True)
class Section(Generic[S]):
    """A section that can be shown: the struct that its JSON holds, and what of that its template takes."""

    kind: type[S]
    view: Callable[[S, Around], object]

    def read(self, text: bytes, around: Around) -> object | Failed:
        """What the template takes, or why the section could not be made. Raises `msgspec.DecodeError`."""
        figures = decode_section(text, self.kind)
        return figures if isinstance(figures, Failed) else self.view(figures, around)


class ReadableSection(Protocol):
    """A `Section` of whichever struct."""

    def read(self, text: bytes, around: Around) -> object | Failed: ...


@dataclass(frozen=True)
class Named(Generic[S]):
    """Figures, and what the classes that they number are called."""

    figures: S
    name: Callable[[int], str]


def named(figures: S, around: Around) -> Named[S]:
    """The figures, and what the classes are called."""
    return Named(figures, around.name)


def number_chosen(chosen: Mapping[str, str], name: str, below: int) -> int | None:
    """A choice that is a number from 0 up to `below`; None where it is not one, or none was made."""
    text = chosen.get(name, "")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else below
    return number if number < below else None
