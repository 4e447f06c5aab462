"""The addresses within a report: of its pictures, and of the same page with other choices."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

LONGEST = 60
"""Characters of a choice; whatever is longer was made by nobody's click."""


OF_THE_PAGE = ("have", "planned")
"""What the page says of itself when it asks for news: the sections that it shows, and that it has room for all."""


@dataclass(frozen=True)
class Link:
    """Makes addresses that lead to one section of a report's page; `chosen` is what the present address says.

    `link(layer=2, channel=None)` keeps the other choices, sets one and takes one back. `at` is the id of the element in
    the section to be seen then, where that is not its beginning.
    """

    page: str
    section: str
    chosen: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *, at: str = "", **query: object) -> str:
        wanted = query_of({**self.chosen, **query})
        return f"{self.page}{'?' * bool(wanted)}{wanted}#{at or f'part-{self.section}'}"


def query_of(choices: Mapping[str, object]) -> str:
    """Choices as they stand in an address; None is none."""
    return urlencode({name: str(value) for name, value in choices.items() if value is not None}, errors="replace")


def choices_of(query: Mapping[str, str]) -> dict[str, str]:
    """The choices that an address names, but for what the page itself says of its state."""
    named = ((name, value) for name, value in query.items() if name not in OF_THE_PAGE)
    return {name: value for name, value in named if len(name) <= LONGEST and len(value) <= LONGEST}


@dataclass(frozen=True)
class PictureAddresses:
    """Where the pictures of a report lie on the server. One that is made anew has another address."""

    page: str
    folder: Path

    def __call__(self, name: str) -> str:
        try:
            version = f"?v={(self.folder / name).stat().st_mtime_ns:x}"
        except (OSError, ValueError):
            version = ""
        return f"{self.page}/files/{name}{version}"


@dataclass(frozen=True)
class PicturesWithin:
    """The pictures themselves, as addresses that hold them."""

    folder: Path

    def __call__(self, name: str) -> str:
        try:
            content = (self.folder / name).read_bytes()
        except (OSError, ValueError):
            return "data:,"
        return f"data:image/png;base64,{b64encode(content).decode()}"
