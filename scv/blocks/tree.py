"""A document as a tree: a chain of blocks, some of which hold branches, which are chains again.

A `Spot` names one chain, the trunk of the document or a branch of a container.
"""

from collections.abc import Iterator, Sequence

import msgspec

from scv.blocks.document import Block, Document

Chain = tuple[Block, ...]


class Spot(msgspec.Struct, frozen=True):
    """A chain: the trunk where `into` is None, else branch number `branch` of the container with that id."""

    into: str | None = None
    branch: int = 0


def walk(chain: Sequence[Block], depth: int = 0) -> Iterator[tuple[Block, int]]:
    """Every block with its depth, a container before what it holds."""
    for block in chain:
        yield block, depth
        for branch in block.branches or ():
            yield from walk(branch, depth + 1)


def find(document: Document, block_id: str) -> tuple[Spot, int] | None:
    """Where the first block of this id stands, and at which position."""
    return _find(document.blocks, Spot(), block_id)


def _find(chain: Chain, spot: Spot, block_id: str) -> tuple[Spot, int] | None:
    for position, block in enumerate(chain):
        if block.id == block_id:
            return spot, position
        for number, branch in enumerate(block.branches or ()):
            if (found := _find(branch, Spot(block.id, number), block_id)) is not None:
                return found
    return None


def taken(document: Document, block_id: str) -> Block | None:
    """The first block of this id with all that it holds, as a clipboard keeps it; None where there is none."""
    return next((block for block, _ in walk(document.blocks) if block.id == block_id), None)


def chain_at(document: Document, spot: Spot) -> Chain | None:
    """The chain of a spot; None where there is none."""
    if spot.into is None:
        return document.blocks
    container = taken(document, spot.into)
    branches = () if container is None else container.branches or ()
    return branches[spot.branch] if 0 <= spot.branch < len(branches) else None


def with_chain(document: Document, spot: Spot, chain: Chain) -> Document:
    """The document with another chain at an existing spot."""
    if spot.into is None:
        return msgspec.structs.replace(document, blocks=chain)
    return msgspec.structs.replace(document, blocks=_with_chain(document.blocks, spot, chain))


def _with_chain(blocks: Chain, spot: Spot, chain: Chain) -> Chain:
    changed: list[Block] = []
    for block in blocks:
        if block.branches is not None:
            branches = tuple(
                chain if block.id == spot.into and number == spot.branch else _with_chain(branch, spot, chain)
                for number, branch in enumerate(block.branches)
            )
            block = msgspec.structs.replace(block, branches=branches)
        changed.append(block)
    return tuple(changed)


def depth_of(block: Block) -> int:
    """How many containers are nested in this block, itself included: 0 for one that is no container."""
    depth, level = 0, [block]  # level by level, because a foreign block may be nested deeper than Python's calls
    while containers := [held for held in level if held.branches is not None]:
        depth += 1
        level = [inner for held in containers for branch in held.branches or () for inner in branch]
    return depth
