"""What a report will hold and how far it is: `report.json` of its folder, and how a section's JSON is read."""

from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from scv.message import Message

State = Literal["waiting", "working", "done", "failed"]

CONTENTS = "report.json"
"""The file of `Contents` in a report's folder."""

FORMAT = 1
"""Grows when a section's form changes, so that none of an earlier form is kept."""

S = TypeVar("S")


class FailedSection(msgspec.Struct, frozen=True, tag_field="state", tag="failed"):
    """Stands in a section's JSON where it could not be made. `reason` is for whoever runs the server."""

    message: Message
    reason: str


class SectionState(msgspec.Struct, frozen=True):
    """One section: `name` is its file without `.json`, `title` a gettext id, `seconds` what it took."""

    name: str
    title: str
    state: State = "waiting"
    seconds: float | None = None


class Contents(msgspec.Struct, frozen=True):
    """All planned sections in the order in which they are made. `weights` names the network that they are about."""

    weights: str
    sections: tuple[SectionState, ...]
    format: int = FORMAT


def file_of(section: str) -> str:
    """The name of the file that holds a section."""
    return f"{section}.json"


def decode_section(text: bytes, kind: type[S]) -> S | FailedSection:
    """Read a section's JSON: the section, or why there is none. Raises `msgspec.DecodeError`."""
    try:
        return msgspec.json.decode(text, type=FailedSection)
    except msgspec.ValidationError:
        return msgspec.json.decode(text, type=kind)


def read_section(folder: Path, section: str, kind: type[S]) -> S | None:
    """A section of the report in a folder; None where it was not made, or cannot be read."""
    with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        found = decode_section((folder / file_of(section)).read_bytes(), kind)
        return None if isinstance(found, FailedSection) else found
    return None
