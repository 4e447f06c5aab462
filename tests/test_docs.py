"""The documentation tells the truth of today: every setting, command, dependency and block is in it."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from scv.__main__ import parser
from scv.blocks.catalogue.all import CATALOGUE
from scv.settings import ROOT, Settings
from scv.web.blocks_view.shortcuts import SHORTCUTS

DOCS = ROOT / "docs"


def test_every_setting_is_documented_and_no_other() -> None:
    documented = set(re.findall(r"^\| `(SCV_\w+)`", (DOCS / "SETTINGS.md").read_text(), re.M))
    assert documented == {f"SCV_{field.name.upper()}" for field in fields(Settings)}


def test_every_default_is_the_one_documented() -> None:
    rows = re.findall(r"^\| `SCV_(\w+)` \| `([^`]+)` \|", (DOCS / "SETTINGS.md").read_text(), re.M)
    defaults = {field.name: field.default for field in fields(Settings)}
    for name, written in rows:
        default = defaults[name.lower()]
        assert written == (f"{default:g}" if isinstance(default, float) else str(default))


def test_every_command_is_documented() -> None:
    text = (DOCS / "COMMANDS.md").read_text()
    commands = next(action for action in parser()._actions if isinstance(action.choices, dict))
    assert commands.choices
    for name in commands.choices:
        assert f"scv {name}" in text


def test_every_dependency_has_its_row() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (DOCS / "DEPENDENCIES.md").read_text()
    for requirement in (*project["dependencies"], *project["optional-dependencies"]["dev"]):
        name = re.split(r"[\[=<>]", requirement)[0]
        assert re.search(rf"\b{re.escape(name)}\b", text), f"{name} is in no row of docs/DEPENDENCIES.md"


def test_every_shortcut_is_documented_and_no_other() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", (DOCS / "EDITOR.md").read_text(), re.M)
    assert rows == [(shortcut.keys, shortcut.does) for shortcut in SHORTCUTS.values()]


def test_the_readme_counts_the_blocks_rightly() -> None:
    assert f"{len(CATALOGUE)} kinds of blocks" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *DOCS.glob("*.md")], ids=lambda path: path.name)
def test_every_link_between_documents_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target
