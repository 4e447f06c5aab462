"""What the view of a section knows beside the section's own figures: folder, class names, the reader's choices."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec

from scv.report.contents import FailedSection, decode_section

S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True)
class SectionContext:
    """The report's folder, the names of the classes, and the choices of the reader by their names.

    `whole` is true for the HTML file, which shows everything at once because its reader can choose nothing.
    """

    folder: Path
    class_names: Sequence[str]
    chosen: Mapping[str, str]
    whole: bool = False

    def name(self, label: int) -> str:
        """The name of a class, or its number where the name is not known."""
        return self.class_names[label] if label < len(self.class_names) else str(label)


class SectionViewFunction(Protocol):
    """Reads the JSON of one section and makes what the section's template shows."""

    def view(self, content: bytes, context: SectionContext) -> object | FailedSection:
        """The view, or the reason why the section could not be made. Raises `msgspec.DecodeError`."""
        ...


@dataclass(frozen=True)
class SectionView(Generic[S]):
    """A section whose JSON holds `figures`; `make` turns them into what the template shows."""

    figures: type[S]
    make: Callable[[S, SectionContext], object]

    def view(self, content: bytes, context: SectionContext) -> object | FailedSection:
        found = decode_section(content, self.figures)
        return found if isinstance(found, FailedSection) else self.make(found, context)


@dataclass(frozen=True)
class FiguresWithNames(Generic[S]):
    """Figures that number the classes, and the names of these."""

    figures: S
    name: Callable[[int], str]


def figures_alone(figures: S, context: SectionContext) -> S:
    """The view of a section whose template needs nothing but the figures."""
    return figures


def figures_with_names(figures: S, context: SectionContext) -> FiguresWithNames[S]:
    """The view of a section whose template needs the figures and the names of the classes."""
    return FiguresWithNames(figures, context.name)


def number_chosen(chosen: Mapping[str, str], name: str, below: int) -> int | None:
    """The choice of this name as a number from 0 up to `below`; None where there is none such."""
    text = chosen.get(name, "")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else below
    return number if number < below else None
