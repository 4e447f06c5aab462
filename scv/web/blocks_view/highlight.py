"""Highlighted lines of Python code, each with the category of its block."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from markupsafe import Markup, escape
from pygments import lex
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Number, String, Token, _TokenType

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.codegen import CodeLine
from scv.blocks.document import Document
from scv.blocks.tree import walk

CLASSES: dict[_TokenType, str] = {Keyword: "k", String: "s", Comment: "c", Number: "n"}


@dataclass(frozen=True)
class HighlightedLine:
    html: Markup
    category: str | None
    block: str | None


def highlight_module(lines: Iterable[CodeLine], document: Document) -> tuple[HighlightedLine, ...]:
    """The lines of the generated module with the categories of their blocks."""
    lines = tuple(lines)
    types = {block.id: block.type for block, _ in walk(document.blocks)}
    marked = _highlight("\n".join(line.text for line in lines)) if lines else ()
    found = []
    for line, html in zip(lines, marked, strict=True):
        kind = CATALOGUE.get(types.get(line.block or "", ""))
        found.append(HighlightedLine(html, kind.category if kind else None, line.block))
    return tuple(found)


@lru_cache(256)
def _highlight(code: str) -> tuple[Markup, ...]:
    lines: list[list[Markup]] = [[]]
    for token, text in lex(code, PythonLexer(stripnl=False, ensurenl=False)):
        css = _css(token)
        for index, part in enumerate(text.split("\n")):
            if index:
                lines.append([])
            if part:
                lines[-1].append(Markup('<span class="{}">{}</span>').format(css, part) if css else escape(part))
    return tuple(Markup("").join(line) for line in lines)


def _css(token: _TokenType) -> str | None:
    while token is not Token and token is not None:
        if token in CLASSES:
            return CLASSES[token]
        token = token.parent
    return None
