"""Hypothesis strategies for parameters, blocks and documents, drawn from the catalogue itself.

A new block is covered by every property the moment its class exists.
"""

from collections.abc import Collection, Iterator
from itertools import count
from typing import Any

import msgspec
from hypothesis import strategies as st

from scv.blocks.block import BlockType, Container
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.check import check
from scv.blocks.document import Block, Document
from scv.blocks.findings import Check, errors
from scv.blocks.operations import Add, OperationError, apply
from scv.blocks.params import Choice, Decimal, Flag, Integer, Numbers, Param
from scv.blocks.shapes import Shape
from scv.blocks.tree import Spot, walk

LARGEST = 9
"""Sizes beyond this show nothing new and make tensors huge."""


def values(param: Param) -> st.SearchStrategy[Any]:
    """Any value that the parameter takes, small ones where it counts something."""
    match param:
        case Integer():
            return st.integers(param.minimum, max(param.minimum, min(param.maximum, LARGEST)))
        case Decimal():
            return st.floats(param.minimum, min(param.maximum, 1e3))
        case Flag():
            return st.booleans()
        case Choice():
            return st.sampled_from(param.options)
        case Numbers():
            number = st.integers(param.minimum, max(param.minimum, min(param.maximum, LARGEST)))
            options: list[st.SearchStrategy[Any]] = [number, st.tuples(*[number] * param.length).map(list)]
            if param.words:
                options.append(st.sampled_from(param.words))
            if param.empty:
                options.append(st.none())
            return st.one_of(options)
        case _:
            raise AssertionError(f"no strategy for {param}")


def parameters(kind: BlockType) -> st.SearchStrategy[dict[str, Any]]:
    """Some parameters of a block, the others left to their defaults."""
    return st.fixed_dictionaries({}, optional={param.name: values(param) for param in kind.params})


def tensors() -> st.SearchStrategy[Shape]:
    """Shapes of images, down to a single pixel."""
    return st.tuples(st.integers(1, 8), st.integers(1, 20), st.integers(1, 20))


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    """One block with an id that may repeat itself within a document."""
    kind = draw(st.sampled_from(list(CATALOGUE.values())))
    return Block(draw(st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)), kind.type, draw(parameters(kind)))


def documents() -> st.SearchStrategy[Document]:
    """Any well-formed document, sound or not."""
    return st.lists(blocks(), max_size=8).map(lambda chain: Document(blocks=tuple(chain)))


@st.composite
def chains(draw: st.DrawFn, depth: int = 0, largest: int = 5) -> tuple[Block, ...]:
    """Any blocks in a row, containers with a few branches of more blocks, three deep at most."""
    made: list[Block] = []
    for block in draw(st.lists(blocks(), max_size=largest)):
        branches = None
        if isinstance(CATALOGUE[block.type], Container):
            number = draw(st.integers(0, 0 if depth >= 3 else 3))
            branches = tuple(draw(chains(depth + 1, 2)) for _ in range(number))
        made.append(msgspec.structs.replace(block, branches=branches))
    return tuple(made)


@st.composite
def trees(draw: st.DrawFn) -> Document:
    """Any well-formed document, sound or not, with blocks in blocks; every id occurs once."""
    return Document(blocks=numbered(draw(chains()), count()))


def numbered(chain: tuple[Block, ...], numbers: Iterator[int]) -> tuple[Block, ...]:
    """The same blocks, each with an id that no other has."""
    return tuple(
        msgspec.structs.replace(
            block,
            id=f"b{next(numbers)}",
            branches=block.branches and tuple(numbered(branch, numbers) for branch in block.branches),
        )
        for block in chain
    )


@st.composite
def sound_documents(draw: st.DrawFn, shape: Shape, classes: int, *, largest: int = 8) -> Document:
    """A document that can be trained, unless it became too large: what fits is kept, and the end is repaired."""
    document = Document()
    for _ in range(draw(st.integers(0, largest))):
        kind = draw(st.sampled_from(list(CATALOGUE.values())))
        spots = [Spot(block.id, n) for block, _ in walk(document.blocks) for n in range(len(block.branches or ()))]
        spot = draw(st.sampled_from([Spot(), *spots]))
        try:
            longer = apply(document, Add(kind.type, None, draw(parameters(kind)), spot.into, spot.branch))
        except OperationError:
            continue  # nested too deeply
        longer, result = repaired(longer, shape, classes, but=("wrong_output",))
        if {problem.code for _, problem in errors(result)} <= {"wrong_output", "nothing_to_learn"}:
            document = longer
    return repaired(document, shape, classes)[0]


@st.composite
def nested_documents(draw: st.DrawFn, shape: Shape, classes: int) -> Document:
    """A document that can be trained, unless it became too large, with many of its blocks in containers."""
    document = draw(sound_documents(shape, classes))
    return Document(blocks=numbered(draw(nested(document.blocks)), count()))


@st.composite
def nested(draw: st.DrawFn, blocks: tuple[Block, ...], depth: int = 0) -> tuple[Block, ...]:
    """The blocks, some of them in containers that add them to themselves or to others of the same output."""
    found: list[Block] = []
    for block in blocks:
        if depth >= 4 or block.branches is not None or not draw(st.booleans()):
            found.append(block)
            continue
        kind, params, most = draw(st.sampled_from([("Residual", {}, 2), ("Parallel", {"join": "add"}, 6)]))
        branches = [draw(nested((block,), depth + 1)) for _ in range(draw(st.integers(2, min(most, 3))))]
        found.append(Block("", kind, params, tuple(branches)))
    return tuple(found)


def repaired(
    document: Document, shape: Shape, classes: int, *, most: int = 40, but: Collection[str] = ()
) -> tuple[Document, Check]:
    """Apply the first fix of the first error that has one, over and over, as a user who clicks would."""
    result = check(document, shape, classes)
    for _ in range(most):
        problems = [p for block in result.blocks for p in block.problems] + list(result.problems)
        fixes = [p.fixes[0] for p in problems if p.level == "error" and p.fixes and p.code not in but]
        if not fixes:
            break
        for operation in fixes[0].operations:
            document = apply(document, operation)
        result = check(document, shape, classes)
    return document, result
