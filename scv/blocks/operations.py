"""The operations that change a document: what the editor posts, and what every fix consists of."""

from itertools import count
from typing import Any

import msgspec

from scv.blocks.block import Container
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.document import MAX_BLOCKS, MAX_DEPTH, Block, Document
from scv.blocks.tree import Chain, Spot, chain_at, depth_of, find, walk, with_chain
from scv.message import Message, foreign, say


class OperationError(Exception):
    """The operation does not fit the document, which stays as it was."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(str(message))


class _Operation(msgspec.Struct, tag_field="op", frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Add(_Operation, tag="add", frozen=True):
    """Put a new block at `position`, counted from 0; without one, at the end.

    It goes into the trunk, or into branch number `branch` of the container `into`.
    """

    type: str
    position: int | None = None
    params: dict[str, Any] = {}
    into: str | None = None
    branch: int = 0


class Move(_Operation, tag="move", frozen=True):
    """Take a block out, with all that it holds, and insert it at `position`, counted after it was taken out."""

    block: str
    position: int
    into: str | None = None
    branch: int = 0


class Remove(_Operation, tag="remove", frozen=True):
    """Take a block out, with all that it holds."""

    block: str


class SetParams(_Operation, tag="set", frozen=True):
    """Set some parameters of a block; the others stay. None takes one back to its default."""

    block: str
    params: dict[str, Any]


class Duplicate(_Operation, tag="duplicate", frozen=True):
    """Put a copy of a block, with all that it holds, right after it."""

    block: str


class Paste(_Operation, tag="paste", frozen=True):
    """Put copies of blocks from anywhere, with all that they hold, at `position` one after the other.

    Position, `into` and `branch` are those of `Add`. The copies get ids of their own.
    """

    blocks: tuple[Block, ...]
    position: int | None = None
    into: str | None = None
    branch: int = 0


class AddBranch(_Operation, tag="add_branch", frozen=True):
    """Give a container one more branch, an empty one."""

    block: str


class RemoveBranch(_Operation, tag="remove_branch", frozen=True):
    """Take a branch of a container out, with all that it holds."""

    block: str
    branch: int


Operation = Add | Move | Remove | SetParams | Duplicate | Paste | AddBranch | RemoveBranch


def read_operations(text: bytes | str) -> tuple[Operation, ...]:
    """Read one operation or a list of them from JSON. Raises `OperationError`."""
    try:
        read = msgspec.json.decode(text, type=Operation | tuple[Operation, ...])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OperationError(say("This edit cannot be read: {reason}.", reason=str(error))) from None
    return read if isinstance(read, tuple) else (read,)


def apply(document: Document, operation: Operation) -> Document:
    """Return the changed document. Raises `OperationError` and changes nothing where it does not fit."""
    match operation:
        case Add(type=kind, position=position, params=params, into=into, branch=branch):
            _refuse_unknown(kind)
            _refuse_full(document, 1)
            block = Block(_FreeIds(document).take(kind), kind, _accepted(kind, params), _empty_branches(kind))
            return _insert(document, (block,), Spot(into, branch), position)
        case Move(block=block_id, position=position, into=into, branch=branch):
            spot, index = _place(document, block_id)
            moved = _chain(document, spot)[index]
            if into is not None and into in {inner.id for inner, _ in walk((moved,))}:
                raise OperationError(say("A block cannot be moved into itself."))
            return _insert(_without(document, spot, index), (moved,), Spot(into, branch), position)
        case Remove(block=block_id):
            return _without(document, *_place(document, block_id))
        case SetParams(block=block_id, params=params):
            return _with_params(document, block_id, params)
        case Duplicate(block=block_id):
            spot, index = _place(document, block_id)
            original = _chain(document, spot)[index]
            _refuse_full(document, sum(1 for _ in walk((original,))))
            return _insert(document, (_copied(original, _FreeIds(document)),), spot, index + 1)
        case Paste(blocks=blocks, position=position, into=into, branch=branch):
            return _paste(document, blocks, Spot(into, branch), position)
        case AddBranch(block=block_id):
            return _add_branch(document, block_id)
        case RemoveBranch(block=block_id, branch=branch):
            return _remove_branch(document, block_id, branch)


def _paste(document: Document, blocks: tuple[Block, ...], spot: Spot, position: int | None) -> Document:
    if not blocks:
        raise OperationError(say("There is nothing to paste."))
    _refuse_deep(document, blocks, spot)  # before the steps that recurse into the branches
    _refuse_full(document, sum(1 for _ in walk(blocks)))
    ids = _FreeIds(document)
    return _insert(document, tuple(_copied(_accepted_block(block), ids) for block in blocks), spot, position)


def _add_branch(document: Document, block_id: str) -> Document:
    container, branches = _branches(document, block_id)
    if len(branches) >= container.most:
        raise OperationError(say("{type} has at most {most} branches.", type=container.type, most=container.most))
    return _with_branches(document, block_id, (*branches, ()))


def _remove_branch(document: Document, block_id: str, branch: int) -> Document:
    container, branches = _branches(document, block_id)
    if len(branches) <= container.fewest:
        raise OperationError(
            say("{type} has at least {fewest} branches.", type=container.type, fewest=container.fewest)
        )
    if not 0 <= branch < len(branches):
        raise OperationError(say("The branch is no longer there."))
    return _with_branches(document, block_id, branches[:branch] + branches[branch + 1 :])


class _FreeIds:
    """Hands out ids that no block of the document has: the stem of the kind and the next free number."""

    def __init__(self, document: Document) -> None:
        self._taken = {block.id for block, _ in walk(document.blocks)}

    def take(self, kind: str) -> str:
        stem = CATALOGUE[kind].stem if kind in CATALOGUE else "block"
        free = next(name for number in count(1) if (name := f"{stem}{number}") not in self._taken)
        self._taken.add(free)
        return free


def _copied(block: Block, ids: _FreeIds) -> Block:
    fresh = ids.take(block.type)
    branches = block.branches and tuple(tuple(_copied(inner, ids) for inner in branch) for branch in block.branches)
    return msgspec.structs.replace(block, id=fresh, branches=branches)


def _accepted_block(block: Block) -> Block:
    """A pasted block as the operations would have made it; raises `OperationError` for one that they refuse."""
    _refuse_unknown(block.type)
    kind = CATALOGUE[block.type]
    try:
        params = _accepted(block.type, block.params)
    except OperationError as error:
        raise OperationError(
            say("Block {block} ({type}): {message}", block=foreign(block.id), type=kind.type, message=error.message)
        ) from None
    if block.branches is None:
        return Block(block.id, kind.type, params, _empty_branches(kind.type))
    if not isinstance(kind, Container):
        raise OperationError(say("{type} has no branches.", type=kind.type))
    if len(block.branches) > kind.most:
        raise OperationError(say("{type} has at most {most} branches.", type=kind.type, most=kind.most))
    if len(block.branches) < kind.fewest:
        raise OperationError(say("{type} has at least {fewest} branches.", type=kind.type, fewest=kind.fewest))
    branches = tuple(tuple(map(_accepted_block, branch)) for branch in block.branches)
    return Block(block.id, kind.type, params, branches)


def _empty_branches(kind: str) -> tuple[Chain, ...] | None:
    container = CATALOGUE[kind]
    return ((),) * container.fewest if isinstance(container, Container) else None


def _insert(document: Document, blocks: Chain, spot: Spot, position: int | None) -> Document:
    chain = _chain(document, spot)
    if spot.into is not None:
        _refuse_deep(document, blocks, spot)
    index = len(chain) if position is None else position
    if not 0 <= index <= len(chain):
        raise OperationError(say("Position {position} is outside the network.", position=index))
    return with_chain(document, spot, (*chain[:index], *blocks, *chain[index:]))


def _without(document: Document, spot: Spot, index: int) -> Document:
    chain = _chain(document, spot)
    return with_chain(document, spot, chain[:index] + chain[index + 1 :])


def _with_params(document: Document, block_id: str, params: dict[str, Any]) -> Document:
    spot, index = _place(document, block_id)
    chain = _chain(document, spot)
    block = chain[index]
    _refuse_unknown(block.type)
    given = {name: value for name, value in params.items() if value is not None}
    kept = {name: value for name, value in block.params.items() if name not in params}
    changed = msgspec.structs.replace(block, params=kept | _accepted(block.type, given))
    return with_chain(document, spot, (*chain[:index], changed, *chain[index + 1 :]))


def _branches(document: Document, block_id: str) -> tuple[Container, tuple[Chain, ...]]:
    spot, index = _place(document, block_id)
    block = _chain(document, spot)[index]
    kind = CATALOGUE.get(block.type)
    if not isinstance(kind, Container):
        raise OperationError(say("{type} has no branches.", type=foreign(block.type)))
    return kind, block.branches or ()


def _with_branches(document: Document, block_id: str, branches: tuple[Chain, ...]) -> Document:
    spot, index = _place(document, block_id)
    chain = _chain(document, spot)
    changed = msgspec.structs.replace(chain[index], branches=branches)
    return with_chain(document, spot, (*chain[:index], changed, *chain[index + 1 :]))


def _chain(document: Document, spot: Spot) -> Chain:
    chain = chain_at(document, spot)
    if chain is None:
        raise OperationError(say("The branch is no longer there."))
    return chain


def _place(document: Document, block_id: str) -> tuple[Spot, int]:
    found = find(document, block_id)
    if found is None:
        raise OperationError(say("The block {block} is no longer there.", block=foreign(block_id)))
    return found


def _accepted(kind: str, params: dict[str, Any]) -> dict[str, Any]:
    """The given parameters in canonical form; raises `OperationError` for one that cannot be."""
    values, refused = CATALOGUE[kind].complete(params)
    if refused:
        raise OperationError(next(iter(refused.values())))
    return {name: values[name] for name in params}


def _refuse_unknown(kind: str) -> None:
    if kind not in CATALOGUE:
        raise OperationError(say("There is no block of the type {type}.", type=foreign(kind)))


def _refuse_deep(document: Document, blocks: Chain, spot: Spot) -> None:
    above = 0
    if spot.into is not None:
        above = 1 + next((depth for inner, depth in walk(document.blocks) if inner.id == spot.into), 0)
    if above + max(map(depth_of, blocks)) > MAX_DEPTH:
        raise OperationError(say("Blocks can be nested at most {limit} deep.", limit=MAX_DEPTH))


def _refuse_full(document: Document, more: int) -> None:
    if sum(1 for _ in walk(document.blocks)) + more > MAX_BLOCKS:
        raise OperationError(say("A network has at most {limit} blocks.", limit=MAX_BLOCKS))
