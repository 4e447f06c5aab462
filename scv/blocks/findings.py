"""What a check finds: about each block, about the network, and the fixes that it offers."""

from typing import Literal

import msgspec

from scv.blocks.operations import Operation
from scv.blocks.shapes import Shape
from scv.message import Message


class Fix(msgspec.Struct, frozen=True):
    """A ready-made repair: what the button says, and the operations it applies.

    A `safe` one takes nothing away that the user has built, so "repair all" may apply it unasked.
    """

    label: Message
    operations: tuple[Operation, ...]
    safe: bool = True

    @property
    def touches(self) -> set[str]:
        """The ids of the blocks that it changes, or puts something into."""
        named = (getattr(operation, name, None) for operation in self.operations for name in ("block", "into"))
        return {block for block in named if isinstance(block, str)}


class Problem(msgspec.Struct, frozen=True):
    """Something wrong (`error`: it cannot train) or unwise (`warning`). `detail` is the arithmetic."""

    code: str
    level: Literal["error", "warning"]
    message: Message
    detail: Message | None = None
    fixes: tuple[Fix, ...] = ()


class BlockCheck(msgspec.Struct, frozen=True):
    """What the check found about one block. Shapes are None where an earlier error leaves them unknown.

    `into`, `branch` and `position` say where it stands. Costs of a container include what it holds.
    `activations` counts the numbers that one image leaves in memory while training. `sees` is the receptive
    field, height and width in pixels of the image; None where that is all of it, or unknown.
    """

    id: str
    type: str
    into: str | None
    branch: int
    position: int
    input: Shape | None
    output: Shape | None
    parameters: int = 0
    multiply_adds: int = 0
    activations: int = 0
    sees: tuple[int, int] | None = None
    problems: tuple[Problem, ...] = ()


class Check(msgspec.Struct, frozen=True):
    """The whole network. `problems` are those of no single block; `ok` means that it can be trained.

    `blocks` holds every block, a container before what it holds. Totals are those of the trunk.
    """

    ok: bool
    parameters: int
    multiply_adds: int
    activations: int
    blocks: tuple[BlockCheck, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def trunk(self) -> tuple[BlockCheck, ...]:
        """The blocks that no container holds."""
        return tuple(block for block in self.blocks if block.into is None)


def errors(result: Check) -> list[tuple[BlockCheck | None, Problem]]:
    """All errors in order, each with its block; those of the whole network come last."""
    pairs: list[tuple[BlockCheck | None, Problem]] = [(b, p) for b in result.blocks for p in b.problems]
    pairs += [(None, problem) for problem in result.problems]
    return [(block, problem) for block, problem in pairs if problem.level == "error"]
