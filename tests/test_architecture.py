"""Beyond the import law of `make lint`: empty packages, files of one subject, no room that grew beyond reading."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from scv.settings import ROOT

SOURCES = sorted((ROOT / "scv").rglob("*.py"))
SHEETS = sorted((ROOT / "static" / "css").glob("*.css"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
MOST_LINES = 450
MOST_LINES_OF_FUNCTION = 40
MOST_LINES_OF_MARKUP = 400
LONGEST_LINE = 160


def test_package_files_are_empty() -> None:
    assert [str(path) for path in SOURCES if path.name == "__init__.py" and path.stat().st_size] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_says_what_it_is_about_and_stays_readable(path: Path) -> None:
    text = path.read_text()
    if path.name != "__init__.py":
        assert text.startswith(('"""', 'r"""')), "the file does not say what it is about"
    assert text.count("\n") <= MOST_LINES, "is there a second subject in it?"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_function_is_read_at_a_glance(path: Path) -> None:
    """Its docstring does not count; a migration is a list of what it changes."""
    if path.parent.name == "versions":
        return
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [node.name for node in functions if _lines(node) > MOST_LINES_OF_FUNCTION] == []


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if is_docstring else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - docstring


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.name)
def test_a_stylesheet_says_what_it_is_about_and_stays_readable(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("/* "), "the file does not say what it is about"
    assert text.count("\n") <= MOST_LINES_OF_MARKUP


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_stays_readable(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= MOST_LINES_OF_MARKUP
    assert [number for number, line in enumerate(lines, 1) if len(line) > LONGEST_LINE] == []


@pytest.mark.parametrize("path", sorted((ROOT / "static").glob("*.js")), ids=lambda path: path.name)
def test_a_script_in_the_browser_stays_small(path: Path) -> None:
    assert path.read_text().count("\n") <= 150


def test_only_the_command_line_imports_the_pages() -> None:
    importers = {
        path.relative_to(ROOT).parts[1]
        for path in SOURCES
        if any(line.strip().startswith(("from scv.web", "import scv.web")) for line in path.read_text().splitlines())
    }
    assert importers <= {"web", "commands"}


@pytest.mark.parametrize("module", ["scv.web.app", "scv.jobs.worker", "scv.supervisor", "scv.__main__"])
def test_only_what_trains_loads_torch(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'torch', 'torchvision', 'sklearn', 'scipy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


PUBLIC_NAMES_OF_ARQ = {"ArqRedis", "Worker", "func"}


def test_arq_is_used_by_its_public_interface_alone() -> None:
    importers = {}
    for path in SOURCES:
        text = path.read_text()
        assert "arq:" not in text, f"{path}: a key of arq's"
        assert "main_task" not in text, f"{path}: arq's own task"
        tree = ast.parse(text)
        names = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "arq"
            for alias in node.names
        }
        assert not any(
            alias.name.partition(".")[0] == "arq"
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
        ), f"{path}: import names, so that this test sees them"
        if names:
            importers[str(path.relative_to(ROOT))] = names
            private = {
                node.attr
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not is_self(node.value)
            }
            assert private == set(), f"{path}: private names"
    assert set(importers) == {"scv/jobs/queue.py", "scv/jobs/worker.py"}
    assert set.union(*importers.values()) == PUBLIC_NAMES_OF_ARQ


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}
