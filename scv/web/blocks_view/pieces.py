"""The pieces of a network, made of its document and its check.

Somebody who edits changes one block, and everything else is shown as before. Pieces of which nothing is chosen are
therefore kept, with what was rendered of them, as long as their blocks and what the check says of them stay the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import msgspec

from scv.blocks.block import Container
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.check import check
from scv.blocks.document import MAX_DEPTH, Block, Document
from scv.blocks.findings import BlockCheck, Check, Problem
from scv.blocks.operations import AddBranch, Duplicate, Move, Remove, RemoveBranch
from scv.blocks.shapes import Shape
from scv.blocks.tree import Chain, Spot, depth_of
from scv.web.blocks_view.blocks import Arm, Piece, Refusal, Tools, as_json, form_field, mend_of
from scv.web.blocks_view.form_fields import param_field
from scv.web.blocks_view.place import Addresses, Place

Around = tuple[tuple[Block, Spot, int], ...]
"""The containers that a chain is in, from the outermost on, with their places."""

MOST_KEPT = 12
"""A container with more blocks is made anew; of its blocks each is kept by itself."""


def pieces_to_edit(
    document: Document, checked: Check, place: Place, addresses: Addresses, refusal: Refusal | None = None
) -> tuple[Piece, ...]:
    """The pieces of a checked document; `addresses` choose a block or a branch."""
    return _Pieces(checked.blocks, place, addresses, refusal).trunk(document) if checked.blocks else ()


def pieces_to_show(document: Document, input_shape: Shape, classes: int) -> tuple[Piece, ...]:
    """The pieces of a document that is only looked at, here, for images of this shape."""
    checked = check(document, input_shape, classes)
    return _Pieces(checked.blocks, Place(), None, None).trunk(document) if checked.blocks else ()


class _Pieces:
    """Makes the pieces in the order of the check, which lists a container before what it holds."""

    def __init__(
        self, checks: Sequence[BlockCheck], place: Place, addresses: Addresses | None, refusal: Refusal | None
    ) -> None:
        self._checks = checks
        self._next = 0
        self._place = place
        self._addresses = addresses
        self._refusal = refusal

    def trunk(self, document: Document) -> tuple[Piece, ...]:
        return self._chain(document.blocks, Spot(), (), 0)

    def alone(self, block: Block, depth: int) -> Piece:
        """The piece of a block that is not chosen, wherever it stands."""
        return self._piece((block,), 0, Spot(), (), depth)

    def _chain(self, chain: Chain, spot: Spot, around: Around, depth: int) -> tuple[Piece, ...]:
        return tuple(
            self._kept(chain[index], depth) or self._piece(chain, index, spot, around, depth)
            for index in range(len(chain))
        )

    def _kept(self, block: Block, depth: int) -> Piece | None:
        """The piece of the next block, where it is one that is kept."""
        if self._addresses is None or self._refusal is not None:
            return None
        end = self._next + _checked_blocks(block, depth)
        checks = self._checks[self._next : end]
        foreign = len(checks) == 1 and bool(block.branches)  # what is nested too deep, or in a block that holds none
        if foreign or len(checks) > MOST_KEPT or any(one.id == self._place.block for one in checks):
            return None
        self._next = end
        unchosen = _Unchosen.of(block, checks, self._addresses, depth)
        return _kept_block(unchosen) if len(checks) == 1 else _kept_container(unchosen)

    def _piece(self, chain: Chain, index: int, spot: Spot, around: Around, depth: int) -> Piece:
        block, checked = chain[index], self._checks[self._next]
        self._next += 1
        kind, href = CATALOGUE.get(block.type), self._href(block.id)
        chosen = block.id == self._place.block
        told = chosen or href is None  # the further parameters: beside the chosen one, and where nothing is chosen
        fields = [
            form_field(
                param_field(block.id, param.name), param, block.params.get(param.name, param.default), self._refusal
            )
            for param in (kind.params if kind else ())
            if param.main or told
        ]
        container = kind if isinstance(kind, Container) and depth < MAX_DEPTH else None
        more = container is not None and len(block.branches or ()) < container.most
        return Piece(
            block=block,
            kind=kind,
            check=checked,
            chosen=chosen,
            href=href,
            fields=tuple(field for field in fields if field.param.main),
            further=tuple(field for field in fields if not field.param.main),
            mends_above=tuple(mend_of(problem) for problem in checked.problems if not _after(problem, checked)),
            mends_below=tuple(mend_of(problem) for problem in checked.problems if _after(problem, checked)),
            tools=_tools(chain, index, spot, around, depth) if chosen else None,
            arms=self._arms(container, block, (*around, (block, spot, index)), depth) if container else (),
            add_branch=as_json(AddBranch(block.id)) if more else None,
        )

    def _href(self, block: str, branch: int | None = None) -> str | None:
        return None if self._addresses is None else self._addresses.of(block, branch)

    def _arms(self, kind: Container, block: Block, around: Around, depth: int) -> tuple[Arm, ...]:
        branches = block.branches or ()
        return tuple(
            Arm(
                into=block.id,
                branch=number,
                title=kind.branch_title(number),
                chosen=block.id == self._place.block and number == self._place.branch,
                href=self._href(block.id, number),
                pieces=self._chain(branch, Spot(block.id, number), around, depth + 1),
                remove=as_json(RemoveBranch(block.id, number)) if len(branches) > kind.fewest else None,
            )
            for number, branch in enumerate(branches)
        )


@dataclass(frozen=True)
class _Unchosen:
    """A block to edit with all that it holds, none of it chosen. Equal are those with the same `key`.

    The key is all that is shown: the place in the chain is not, except where a problem's repair names it.
    """

    key: bytes
    block: Block = field(compare=False)
    checks: tuple[BlockCheck, ...] = field(compare=False)
    addresses: Addresses = field(compare=False)
    depth: int = field(compare=False)

    @classmethod
    def of(cls, block: Block, checks: Sequence[BlockCheck], addresses: Addresses, depth: int) -> "_Unchosen":
        first = msgspec.structs.replace(checks[0], into=None, branch=0, position=0)
        placeless = (first, *checks[1:])
        return cls(msgspec.json.encode((addresses.start, depth, block, placeless)), block, placeless, addresses, depth)

    def piece(self) -> Piece:
        return replace(_Pieces(self.checks, Place(), self.addresses, None).alone(self.block, self.depth), rendered={})


@lru_cache(4000)  # ten networks of the most blocks; a piece with what is rendered of it takes some 4 KB
def _kept_block(unchosen: _Unchosen) -> Piece:
    return unchosen.piece()


@lru_cache(400)
def _kept_container(unchosen: _Unchosen) -> Piece:
    return unchosen.piece()


def _checked_blocks(block: Block, depth: int) -> int:
    """How many blocks the check lists for this one: itself and what it holds, as deep as may be nested."""
    if not block.branches or depth >= MAX_DEPTH or not isinstance(CATALOGUE.get(block.type), Container):
        return 1
    return 1 + sum(_checked_blocks(inner, depth + 1) for branch in block.branches for inner in branch)


def _tools(chain: Chain, index: int, spot: Spot, around: Around, depth: int) -> Tools:
    block = chain[index]
    return Tools(
        up=_move(block, index - 1, spot) if index > 0 else None,
        down=_move(block, index + 1, spot) if index < len(chain) - 1 else None,
        inside=_inside(block, chain[index - 1] if index else None, depth),
        outside=_move(block, around[-1][2] + 1, around[-1][1]) if around else None,
        neighbour=_beside(block, around[-1][0], spot) if around else None,
        duplicate=as_json(Duplicate(block.id)),
        remove=as_json(Remove(block.id)),
    )


def _move(block: Block, position: int, spot: Spot) -> str:
    return as_json(Move(block.id, position, spot.into, spot.branch))


def _inside(block: Block, above: Block | None, depth: int) -> str | None:
    """Into the first branch of the container above, at its end."""
    if above is None or not above.branches or not isinstance(CATALOGUE.get(above.type), Container):
        return None
    if depth + 1 + depth_of(block) > MAX_DEPTH:
        return None
    return _move(block, len(above.branches[0]), Spot(above.id, 0))


def _beside(block: Block, container: Block, spot: Spot) -> str | None:
    """To the end of the next branch; from the last one to the first."""
    branches = container.branches or ()
    neighbour = (spot.branch + 1) % len(branches)
    return None if neighbour == spot.branch else _move(block, len(branches[neighbour]), Spot(container.id, neighbour))


def _after(problem: Problem, checked: BlockCheck) -> bool:
    """Whether a problem is about what leaves the block: then it stands below, else where its input arrives."""
    return checked.output is not None and problem.code in ("wrong_output", "softmax_before_loss")
