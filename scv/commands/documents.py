"""`scv check`, `scv check --repair`, `scv code` and `scv parse`: a block document from the command line."""

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import msgspec

from scv.blocks.check import check as check_document
from scv.blocks.codegen import in_place
from scv.blocks.codeparse import MAX_CHARACTERS
from scv.blocks.codeparse import parse as parse_code
from scv.blocks.document import MAX_BYTES, Document, DocumentError, decode, encode
from scv.blocks.findings import Check, Problem, errors
from scv.blocks.import_text import read_network
from scv.blocks.repair import repair_all
from scv.blocks.shapes import written
from scv.commands.dataset_option import chosen
from scv.commands.failure import MisuseError
from scv.commands.settings_options import settings_from
from scv.export.notebook import notebook
from scv.export.script import script
from scv.message import foreign

MOST_BYTES_OF_NOTEBOOK = 64 * 2**20
"""With the images that its cells gave."""


def read(path: Path) -> Document:
    """The document in a file. Raises `MisuseError` where it cannot be read, `DocumentError` where it is malformed."""
    return decode(_bytes(path, MAX_BYTES))


def _bytes(path: Path, most: int) -> bytes:
    """The first `most` + 1 bytes of a file, so that a longer file can be recognized. Raises `MisuseError`."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise MisuseError(f"{path} cannot be read: {(error.strerror or 'unknown reason').lower()}.") from None


def check(arguments: Namespace) -> int:
    """Print the check. Returns 1 where the document cannot be trained."""
    if arguments.output is not None:
        raise MisuseError("-o FILE belongs to --repair: it is where the repaired document goes.")
    info = chosen(arguments)
    try:
        result = check_document(read(arguments.document), info.shape, info.classes)
    except DocumentError as error:
        result = Check(False, 0, 0, 0, (), (Problem("malformed", "error", error.message),))
    if arguments.json:
        print(msgspec.json.encode(as_json(result)).decode())
    else:
        print_check(result)
    return 0 if result.ok else 1


def repair(arguments: Namespace) -> int:
    """Print or write the repaired document. Returns 1 where errors are left that have no safe fix."""
    info = chosen(arguments)
    repaired = repair_all(read(arguments.document), info.shape, info.classes)
    text = encode(repaired.document)
    _write((text if arguments.json else msgspec.json.format(text, indent=2)).decode() + "\n", arguments.output)
    for fix in repaired.applied:
        print(f"repaired: {fix.label}", file=sys.stderr)
    left = errors(check_document(repaired.document, info.shape, info.classes))
    for block, problem in left:
        print(f"left: {in_place(block, problem)}", file=sys.stderr)
    return 1 if left else 0


def code(arguments: Namespace) -> int:
    """Print or write the standalone script, or the notebook."""
    info = chosen(arguments)
    write = notebook if arguments.notebook else script
    document = read(arguments.document)
    text = write(
        document,
        info,
        settings_from(arguments, info, document),
        title=foreign(arguments.document.stem, 100),
    )
    _write(text, arguments.output)
    return 0


def _write(text: str, output: Path | None) -> None:
    """Write to a file, or to standard output where there is none. Raises `MisuseError`."""
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MisuseError(f"{output} cannot be written: {(error.strerror or '').lower()}.") from None


def parse(arguments: Namespace) -> int:
    """Print the document of PyTorch code or of a notebook with it. Returns 1 where a part could not be read."""
    # Bytes that are not UTF-8 become characters that Python code cannot hold, and are reported at their place.
    notebook = arguments.code.suffix == ".ipynb"
    data = _bytes(arguments.code, MOST_BYTES_OF_NOTEBOOK if notebook else 4 * MAX_CHARACTERS)
    source = data.decode("utf-8", "replace" if notebook else "surrogateescape").removeprefix("\ufeff")
    parsed = read_network(source) if notebook else parse_code(source)
    text = encode(parsed.document)
    print((text if arguments.json else msgspec.json.format(text, indent=2)).decode())
    for problem in parsed.problems:
        print(f"{arguments.code}:{problem.line}: {problem.message}", file=sys.stderr)
    return 1 if parsed.problems else 0


def as_json(result: Check) -> dict[str, Any]:
    """The check as plain data, messages as English sentences; see docs/COMMANDS.md."""
    return {
        "ok": result.ok,
        "parameters": result.parameters,
        "multiply_adds": result.multiply_adds,
        "blocks": [
            {
                "id": block.id,
                "type": block.type,
                "input": block.input,
                "output": block.output,
                "parameters": block.parameters,
                "multiply_adds": block.multiply_adds,
                "problems": [_problem(problem) for problem in block.problems],
            }
            for block in result.blocks
        ],
        "problems": [_problem(problem) for problem in result.problems],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "level": problem.level,
        "message": str(problem.message),
        "detail": None if problem.detail is None else str(problem.detail),
        "fixes": [{"label": str(fix.label), "operations": fix.operations} for fix in problem.fixes],
    }


def print_check(result: Check) -> None:
    """The check as a table, each problem below its block."""
    rows = [
        (foreign(block.id), foreign(block.type), written(block.output or ()) or "?", f"{block.parameters:,}")
        for block in result.blocks
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    for row, block in zip(rows, result.blocks, strict=True):
        name, kind, shape, parameters = row
        print(f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {shape:>{widths[2]}}  {parameters:>{widths[3]}}")
        for problem in block.problems:
            _print_problem(problem, in_place(block, problem))
    for problem in result.problems:
        _print_problem(problem, problem.message)
    state = "can be trained" if result.ok else "cannot be trained yet"
    print(f"{result.parameters:,} parameters, {result.multiply_adds:,} multiply-adds an image: {state}")


def _print_problem(problem: Problem, message: object) -> None:
    print(f"  {problem.level}: {message}")
    if problem.detail is not None:
        print(f"    {problem.detail}")
    for fix in problem.fixes:
        print(f"    fix: {fix.label}")
