"""A network out of somebody's text: a block document, PyTorch code, or a notebook with such code."""

import re
from typing import Any

import msgspec

from scv.blocks.codeparse import Parsed, parse
from scv.blocks.document import DocumentError, decode
from scv.message import say

MAGIC = re.compile(r"^([ \t]*)(?:\w+[ \t]*=[ \t]*)?(?:%{1,2}[A-Za-z]|!(?!=))(?:.*\\\n)*.*$", re.MULTILINE)
"""Commands of a notebook, which are no Python: `%matplotlib inline`, `!pip install torch`, `files = !ls`."""

FOREIGN = re.compile(r"\s*%%(?:!|(?:bash|cmd|html|javascript|js|latex|markdown|perl|ruby|script|sh|svg|sx|system)\b)")
"""How the cells of a notebook begin that are in another language from their first line on."""


class _Cell(msgspec.Struct):
    cell_type: str
    source: str | list[str] = ""


class _Notebook(msgspec.Struct):
    nbformat: int
    cells: list[_Cell]


def read_network(text: str) -> Parsed:
    """What the text holds. Raises `DocumentError` for a document and `CodeError` for code that gives no network."""
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise DocumentError(say("There is nothing to read yet: choose a file or paste some text."))
    if not text.lstrip().startswith("{"):
        return parse(text)
    if (code := _code_of_notebook(text)) is not None:
        return parse(code)
    return Parsed(decode(text))


def _code_of_notebook(text: str) -> str | None:
    """The code of all cells one below the other; None where it is no notebook."""
    try:
        raw: Any = msgspec.json.decode(text)
        notebook = msgspec.convert(raw, _Notebook)
    except (msgspec.DecodeError, RecursionError):
        return None
    sources = ["".join(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    code = "\n\n".join(source for source in sources if not FOREIGN.match(source))
    return MAGIC.sub(r"\1pass", code)  # `pass`, because an `if` may have held nothing but a command
