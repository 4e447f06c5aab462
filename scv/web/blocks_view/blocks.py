"""The pieces that a network is drawn with: each block with its fields, its problems, its tools and its branches.

Pieces that can be edited have an address to choose them by; those that are only shown have none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from scv.blocks.block import BlockType
from scv.blocks.document import Block
from scv.blocks.findings import BlockCheck, Problem
from scv.blocks.operations import Operation
from scv.blocks.params import Choice, Flag, Numbers, Param
from scv.message import Message
from scv.web.blocks_view.form_fields import shown_value
from scv.web.http.render import Rendered


@dataclass(frozen=True)
class Refusal:
    """Why a posted form was not carried out, with the typed texts, which stay in their fields.

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
        """What can be chosen, where it is a choice."""
        if isinstance(self.param, Flag):
            return ("true", "false")
        return self.param.options if isinstance(self.param, Choice) else ()

    @property
    def may_be_empty(self) -> bool:
        """Whether an empty field means that PyTorch chooses."""
        return isinstance(self.param, Numbers) and self.param.empty

    @property
    def changed(self) -> bool:
        """Whether something else than the default stands in it."""
        return self.text != shown_value(self.param, self.param.default)

    @property
    def wide(self) -> int:
        """Characters that the field should hold without scrolling."""
        return min(max(len(self.text), 3), 12)


@dataclass(frozen=True)
class FixButton:
    """A repair that one press applies."""

    label: Message
    operations: str


@dataclass(frozen=True)
class ProblemCard:
    """A problem where it is, with its arithmetic and its repairs."""

    problem: Problem
    fixes: tuple[FixButton, ...]


@dataclass(frozen=True)
class Arm:
    """A branch of a container with the pieces of its chain. `remove` is None while it must stay."""

    into: str
    branch: int
    title: Message
    chosen: bool
    href: str | None
    pieces: tuple["Piece", ...]
    remove: str | None


@dataclass(frozen=True)
class Tools:
    """What can be done with a block: operations as JSON for its buttons, None where not possible."""

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
    mends_above: tuple[ProblemCard, ...]
    mends_below: tuple[ProblemCard, ...]
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
        """How many blocks it holds."""
        return sum(1 for arm in self.arms for _ in every(arm.pieces))

    @property
    def broken_inside(self) -> bool:
        """Whether one of the blocks it holds has an error."""
        return any(piece.broken for arm in self.arms for piece in every(arm.pieces))

    @property
    def formula(self) -> tuple[str, ...]:
        """The arithmetic with this block's own numbers, where its input fits."""
        if self.kind is None or self.check.input is None or self.check.output is None:
            return ()
        values, _ = self.kind.complete(self.block.params)
        return self.kind.formula(values, self.check.input)


def every(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Every piece, a container before what it holds."""
    for piece in pieces:
        yield piece
        for arm in piece.arms:
            yield from every(arm.pieces)


def form_field(name: str, param: Param, value: Any, refusal: Refusal | None) -> Field:
    """The field of a stored value, or of what was typed into it and refused."""
    text = shown_value(param, value)
    if refusal is None:
        return Field(name, param, text, None)
    return Field(name, param, refusal.typed.get(name, text), refusal.fields.get(name))


def as_json(operations: Operation | tuple[Operation, ...]) -> str:
    """Operations as the value of a button."""
    return msgspec.json.encode(operations).decode()


def mend_of(problem: Problem) -> ProblemCard:
    """A problem with its repairs as buttons."""
    return ProblemCard(problem, tuple(FixButton(fix.label, as_json(fix.operations)) for fix in problem.fixes))
