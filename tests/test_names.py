"""Names in the tree: standard terms, one class a name, and a map of the documentation that leads to real files."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from scv.settings import ROOT

FOLDERS = ("scv", "tests", "bench", "tools", "templates", "static")

PRIVATE = {
    "house", "visit", "larder", "floor", "asking", "keeper", "beside", "lifeline", "confine", "underway", "maker",
    "making", "reporter", "reporting", "handing", "familiar", "ascent", "paint", "selfcka", "sight", "mend", "tell",
    "hear", "wishes", "told",
}  # fmt: skip
"""Words that stood for something else than what they say; none names a module, a folder or a class any more."""


def words_of(name: str) -> set[str]:
    """`ReportTeller` and `report_teller` both are report and teller."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)} | {name.lower()}


def classes() -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / "scv").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                yield node.name, path


def test_no_module_folder_or_class_has_a_private_name() -> None:
    places = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if "vendor" not in path.parts]
    names = {path.stem for path in places if path.suffix in {"", ".py", ".html", ".css", ".js"}}
    names |= {name for name, _ in classes()}
    assert {name for name in names if words_of(name) & PRIVATE} == set()


def test_every_public_class_stands_once() -> None:
    found = defaultdict(set)
    for name, path in classes():
        if not name.startswith("_") and "catalogue" not in path.parts:
            found[name].add(str(path.relative_to(ROOT)))
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def test_every_file_that_the_architecture_names_exists() -> None:
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`((?:scv|templates|static|tests|docs|translations)/[\w./]*)`", text))
    assert len(named) > 40
    assert {path for path in named if not (ROOT / path).exists()} == set()
