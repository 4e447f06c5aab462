"""The addresses within a report: of its images, and of the same page with other choices."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

LONGEST = 60
"""The most characters of a choice. Longer ones come from no link of ours and are ignored."""

OF_THE_PAGE = ("have", "planned")
"""Parameters in which the page says what it shows when it asks for new sections."""


@dataclass(frozen=True)
class SectionLink:
    """Makes addresses of the page that lead to one of its sections. `chosen` are the choices of the present address.

    `link(layer=2, channel=None)` sets one choice, takes one back and keeps the others. `at` is the id of the element
    to scroll to, by default the section.
    """

    page: str
    section: str
    chosen: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *, at: str = "", **query: object) -> str:
        wanted = query_of({**self.chosen, **query})
        return f"{self.page}{'?' * bool(wanted)}{wanted}#{at or f'part-{self.section}'}"


def query_of(choices: Mapping[str, object]) -> str:
    """Choices as the query of an address; those that are None are left out."""
    return urlencode({name: str(value) for name, value in choices.items() if value is not None}, errors="replace")


def choices_of(query: Mapping[str, str]) -> dict[str, str]:
    """The reader's choices in the query of an address."""
    named = ((name, value) for name, value in query.items() if name not in OF_THE_PAGE)
    return {name: value for name, value in named if len(name) <= LONGEST and len(value) <= LONGEST}


@dataclass(frozen=True)
class ImageAddresses:
    """The addresses of a report's images on the server. An image that is made again gets another address."""

    page: str
    folder: Path

    def __call__(self, name: str) -> str:
        try:
            version = f"?v={(self.folder / name).stat().st_mtime_ns:x}"
        except (OSError, ValueError):
            version = ""
        return f"{self.page}/files/{name}{version}"


@dataclass(frozen=True)
class EmbeddedImages:
    """The images themselves, as data URLs."""

    folder: Path

    def __call__(self, name: str) -> str:
        try:
            content = (self.folder / name).read_bytes()
        except (OSError, ValueError):
            return "data:,"
        return f"data:image/png;base64,{b64encode(content).decode()}"
