"""A network as it is shown: each block with its fields, problems, tools and branches.

Pieces that can be edited have an address to choose them by; those that are only shown have none.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import msgspec

from scv.blocks.block import BlockType, Container
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.check import check
from scv.blocks.document import MAX_DEPTH, Block, Document
from scv.blocks.findings import BlockCheck, Check, Problem
from scv.blocks.operations import AddBranch, Duplicate, Move, Operation, Remove, RemoveBranch
from scv.blocks.params import Choice, Flag, Numbers, Param
from scv.blocks.shapes import Shape
from scv.blocks.tree import Chain, Spot, depth_of
from scv.message import Message
from scv.web.blocks_view.form_fields import param_field, shown_value
from scv.web.blocks_view.place import Place
from scv.web.http.render import Rendered

Around = tuple[tuple[Block, Spot, int], ...]
"""The containers around a chain with their places, the outermost first."""


@dataclass(frozen=True)
class Refusal:
    """The reason why a posted form was refused, and the typed texts, which stay in their fields.

    `again` is the button, by name and value, that asks for the same once more; None where there is nothing to ask.
    """

    status: int
    message: Message
    fields: Mapping[str, Message] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)
    again: tuple[str, str] | None = None


@dataclass(frozen=True)
class Field:
    """A form field of a parameter or a training setting."""

    name: str
    param: Param
    text: str
    error: Message | None

    @property
    def id(self) -> str:
        return self.name.replace(":", "-")

    @property
    def options(self) -> tuple[str, ...]:
        """The options of a choice; empty for other fields."""
        if isinstance(self.param, Flag):
            return ("true", "false")
        return self.param.options if isinstance(self.param, Choice) else ()

    @property
    def may_be_empty(self) -> bool:
        """Whether an empty field means that PyTorch chooses."""
        return isinstance(self.param, Numbers) and self.param.empty

    @property
    def changed(self) -> bool:
        """Whether the value differs from the default."""
        return self.text != shown_value(self.param, self.param.default)

    @property
    def wide(self) -> int:
        """The width of the field in characters."""
        return min(max(len(self.text), 3), 12)


@dataclass(frozen=True)
class FixButton:
    """A button that applies a repair."""

    label: Message
    operations: str


@dataclass(frozen=True)
class Mend:
    """A problem with its arithmetic and its repairs."""

    problem: Problem
    fixes: tuple[FixButton, ...]


@dataclass(frozen=True)
class Arm:
    """A branch of a container with the blocks of its chain. `remove` is None where it cannot be removed."""

    into: str
    branch: int
    title: Message
    chosen: bool
    href: str | None
    pieces: tuple["Piece", ...]
    remove: str | None


@dataclass(frozen=True)
class Tools:
    """The buttons of a block: operations as JSON, None where one is not possible."""

    up: str | None
    down: str | None
    inside: str | None
    outside: str | None
    neighbour: str | None
    duplicate: str
    remove: str


@dataclass(frozen=True)
class Piece:
    """One block as it stands in its chain. Of those to edit only the chosen one has tools and `further` fields.

    A piece with `rendered` is the same object in every request that shows its block in the same way, and what is
    rendered of it is kept there. Nothing of its place in the chain is shown.
    """

    block: Block
    kind: BlockType | None
    check: BlockCheck
    chosen: bool
    href: str | None
    fields: tuple[Field, ...]
    further: tuple[Field, ...]
    mends_above: tuple[Mend, ...]
    mends_below: tuple[Mend, ...]
    tools: Tools | None = None
    arms: tuple[Arm, ...] = ()
    add_branch: str | None = None
    rendered: Rendered | None = field(default=None, compare=False)

    @property
    def category(self) -> str:
        return self.kind.category if self.kind else "structure"

    @property
    def broken(self) -> bool:
        return any(mend.problem.level == "error" for mend in (*self.mends_above, *self.mends_below))

    @property
    def held(self) -> int:
        """The number of blocks inside."""
        return sum(1 for arm in self.arms for _ in every(arm.pieces))

    @property
    def broken_inside(self) -> bool:
        """Whether any block inside has an error."""
        return any(piece.broken for arm in self.arms for piece in every(arm.pieces))

    @property
    def formula(self) -> tuple[str, ...]:
        """The formula with the numbers of this block; empty where its input does not fit."""
        if self.kind is None or self.check.input is None or self.check.output is None:
            return ()
        values, _ = self.kind.complete(self.block.params)
        return self.kind.formula(values, self.check.input)


def every(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """All blocks, a container before the blocks inside."""
    for piece in pieces:
        yield piece
        for arm in piece.arms:
            yield from every(arm.pieces)


def pieces_to_edit(
    document: Document,
    checked: Check,
    place: Place,
    href: Callable[[str, int | None], str],
    refusal: Refusal | None = None,
) -> tuple[Piece, ...]:
    """The pieces of a checked document; `href(block, branch)` is the address that chooses."""
    return _Pieces(checked, place, href, refusal).trunk(document) if checked.blocks else ()


def pieces_to_show(document: Document, input_shape: Shape, classes: int) -> tuple[Piece, ...]:
    """The blocks of a document that is not edited here, for images of this shape."""
    checked = check(document, input_shape, classes)
    return _Pieces(checked, Place(), lambda block, branch: None, None).trunk(document) if checked.blocks else ()


def form_field(name: str, param: Param, value: Any, refusal: Refusal | None) -> Field:
    """The field with the stored value, or with the typed text that was refused."""
    text = shown_value(param, value)
    if refusal is None:
        return Field(name, param, text, None)
    return Field(name, param, refusal.typed.get(name, text), refusal.fields.get(name))


def mend_of(problem: Problem) -> Mend:
    """A problem with its repairs as buttons."""
    return Mend(problem, tuple(FixButton(fix.label, _json(fix.operations)) for fix in problem.fixes))


class _Pieces:
    """Makes the pieces in the order of the check, which lists a container before what it holds."""

    def __init__(
        self,
        checked: Check,
        place: Place,
        href: Callable[[str, int | None], str | None],
        refusal: Refusal | None,
    ) -> None:
        self._checks = iter(checked.blocks)
        self._place = place
        self._href = href
        self._refusal = refusal

    def trunk(self, document: Document) -> tuple[Piece, ...]:
        return self._chain(document.blocks, Spot(), (), 0)

    def _chain(self, chain: Chain, spot: Spot, around: Around, depth: int) -> tuple[Piece, ...]:
        return tuple(self._piece(chain, index, spot, around, depth) for index in range(len(chain)))

    def _piece(self, chain: Chain, index: int, spot: Spot, around: Around, depth: int) -> Piece:
        block, checked = chain[index], next(self._checks)
        kind, href = CATALOGUE.get(block.type), self._href(block.id, None)
        chosen = block.id == self._place.block
        if isinstance(kind, Container) and depth < MAX_DEPTH:
            return replace(
                _leaf(block, checked, href, self._refusal, chosen=chosen),
                tools=_tools(chain, index, spot, around, depth) if chosen else None,
                arms=self._arms(kind, block, (*around, (block, spot, index)), depth),
                add_branch=_json(AddBranch(block.id)) if len(block.branches or ()) < kind.most else None,
            )
        if chosen:
            piece = _leaf(block, checked, href, self._refusal, chosen=True)
            return replace(piece, tools=_tools(chain, index, spot, around, depth))
        if href is None or self._refusal is not None or block.branches is not None:
            return _leaf(block, checked, href, self._refusal, chosen=False)
        return _shared_leaf(_Leaf.of(block, checked, href))

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
                remove=_json(RemoveBranch(block.id, number)) if len(branches) > kind.fewest else None,
            )
            for number, branch in enumerate(branches)
        )


def _leaf(block: Block, checked: BlockCheck, href: str | None, refusal: Refusal | None, *, chosen: bool) -> Piece:
    """A block without what depends on its place: its tools, and its branches."""
    kind = CATALOGUE.get(block.type)
    told = chosen or href is None  # the further parameters stand beside the chosen one, and where nothing is chosen
    fields = [
        form_field(param_field(block.id, param.name), param, block.params.get(param.name, param.default), refusal)
        for param in (kind.params if kind else ())
        if param.main or told
    ]
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
    )


@dataclass(frozen=True)
class _Leaf:
    """A block to edit that is not chosen; equal to another one by `key`, which is all that is shown of it."""

    key: bytes
    block: Block = field(compare=False)
    check: BlockCheck = field(compare=False)
    href: str = field(compare=False)

    @classmethod
    def of(cls, block: Block, checked: BlockCheck, href: str) -> "_Leaf":
        placeless = msgspec.structs.replace(checked, into=None, branch=0, position=0)
        return cls(msgspec.json.encode((href, block, placeless)), block, placeless, href)


@lru_cache(4000)  # ten networks of the most blocks; a piece and what is rendered of it take some 4 KB
def _shared_leaf(leaf: _Leaf) -> Piece:
    return replace(_leaf(leaf.block, leaf.check, leaf.href, None, chosen=False), rendered={})


def _tools(chain: Chain, index: int, spot: Spot, around: Around, depth: int) -> Tools:
    block = chain[index]
    return Tools(
        up=_move(block, index - 1, spot) if index > 0 else None,
        down=_move(block, index + 1, spot) if index < len(chain) - 1 else None,
        inside=_inside(block, chain[index - 1] if index else None, depth),
        outside=_move(block, around[-1][2] + 1, around[-1][1]) if around else None,
        neighbour=_beside(block, around[-1][0], spot) if around else None,
        duplicate=_json(Duplicate(block.id)),
        remove=_json(Remove(block.id)),
    )


def _move(block: Block, position: int, spot: Spot) -> str:
    return _json(Move(block.id, position, spot.into, spot.branch))


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


def _json(operations: Operation | tuple[Operation, ...]) -> str:
    return msgspec.json.encode(operations).decode()
