"""The data folder of migration 0007: unpack it, and what CONTENTS.md says of it."""

import re
import tarfile
from itertools import groupby
from pathlib import Path

HERE = Path(__file__).parent

OWNER = "the-known-session-of-the-owner"
"""The token of a session of user 1."""

SECOND = "the-known-session-of-the-second-user"
"""The token of a session of user 2."""

LINK = "the-known-sign-in-link"
"""The token of a sign-in link that was not used."""

Rows = list[dict[str, str]]


def unpack(data_dir: Path) -> Path:
    """Make the folder what the archive holds."""
    with tarfile.open(HERE / "data-folder-0007.tar.xz") as archive:
        archive.extractall(data_dir, filter="data")
    return data_dir


def tables_of(section: str) -> list[Rows]:
    """The tables of a section of CONTENTS.md, each row by the names of its columns."""
    text = (HERE / "CONTENTS.md").read_text()
    (lines,) = (part.splitlines()[1:] for part in text.split("\n## ") if part.startswith(f"{section}\n"))
    return [_rows(list(group)) for is_table, group in groupby(lines, lambda line: line.startswith("|")) if is_table]


def _rows(lines: list[str]) -> Rows:
    header, _, *rows = ([text.strip() for text in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines)
    return [dict(zip(header, (text.strip("`").replace("\\|", "|") for text in row), strict=True)) for row in rows]
