"""PyTorch code as a block document: the inverse of `codegen`.

The code is read, never run: `reading` evaluates it with constants and with stand-ins for layers and tensors.
What `forward` does to the image becomes a graph, and the joins of the graph become containers. Input channels and
features that the code states are dropped, because they follow from the blocks. Work, depth and size are bounded.
"""

import ast
import warnings

import msgspec

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.document import Document
from scv.blocks.normal import normal
from scv.blocks.reading.candidates import Candidate, candidates
from scv.blocks.reading.chains import Chains, learns
from scv.blocks.reading.statements import Reader
from scv.blocks.reading.values import CodeError, CodeProblem, Notes, Tensor, Unknown, Value
from scv.blocks.tree import walk
from scv.message import foreign, say

__all__ = ["CodeError", "CodeProblem", "Parsed", "parse"]

MAX_CHARACTERS = 200_000
"""Longest code that is read at all."""

MAX_CANDIDATES = 8
"""How many classes and models of a file are looked at, from its end, to find the network."""


class Parsed(msgspec.Struct, frozen=True):
    """A network as it was found in code, in normal form, and what of it could not be taken."""

    document: Document
    problems: tuple[CodeProblem, ...] = ()


def parse(source: str) -> Parsed:
    """Read the network of some Python code.

    Of several networks it is the last one that no other uses. Raises `CodeError` where the code is not Python, holds
    no network, is too long, is too deeply nested or takes too much work.
    """
    if len(source) > MAX_CHARACTERS:
        raise CodeError(say("The code is longer than {limit} characters.", limit=f"{MAX_CHARACTERS:,}"))
    try:
        return _read(_tree(source), source)
    except RecursionError:
        raise CodeError(say("The code is nested too deeply, or calls itself without an end.")) from None


def _tree(source: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in the texts of somebody's code
            return ast.parse(source)
    except SyntaxError as error:
        message = say(
            "Line {line} is not valid Python: {reason}.", line=error.lineno or 1, reason=foreign(error.msg or "", 80)
        )
        raise CodeError(message) from None
    except ValueError:
        raise CodeError(say("The code holds characters that cannot be in Python code.")) from None
    except MemoryError:
        raise RecursionError from None  # how Python 3.11 says that brackets lie too deep


def _read(tree: ast.Module, source: str) -> Parsed:
    reader = Reader(Notes(source))
    reader.read(tree)
    best: Parsed | None = None
    notes = Notes(source)
    passed: list[CodeProblem] = []
    for candidate in candidates(tree, reader, MAX_CANDIDATES):
        if candidate.foreign_base:
            passed.append(_passed_over(candidate))
            continue
        notes = Notes(source, notes.steps)
        found = _network(reader, candidate, notes)
        found = Parsed(found.document, (*passed, *found.problems))
        if any(learns(CATALOGUE[block.type], block.params) for block, _ in walk(found.document.blocks)):
            return found
        if best is None or (found.document.blocks and not best.document.blocks):
            best = found
    if best is None and passed:
        raise CodeError(passed[0].message)
    if best is None or not (best.document.blocks or best.problems):
        raise CodeError(say("There is no network in this code: no nn.Sequential, and no nn.Module with a forward."))
    return best


def _passed_over(candidate: Candidate) -> CodeProblem:
    cls = candidate.value
    message = say(
        "{name} was skipped: its base class {base} is not in this code.",
        name=foreign(cls.node.name),
        base=foreign(candidate.foreign_base),
    )
    return CodeProblem(getattr(cls.node, "lineno", 1), message)


def _network(reader: Reader, candidate: Candidate, notes: Notes) -> Parsed:
    given: Value = reader.forward(candidate.node, candidate.value, notes)
    if isinstance(given, list | tuple):
        given = next((value for value in given if isinstance(value, Tensor)), None)
        notes.report(candidate.node, say("The network returns several values; only the first is used."))
    if isinstance(given, Unknown):
        notes.unknown(given)
    elif not isinstance(given, Tensor):
        notes.report(candidate.node, say("The network does not return a tensor; its last value is used."))
    end = given.node if isinstance(given, Tensor) else reader.flow.last
    blocks = Chains(notes).between(reader.flow.input, end)
    return Parsed(normal(Document(blocks=blocks)), notes.problems())
