"""Fixes: operations that mend a block at its place, made of its kind's cures or of the check's own."""

from collections.abc import Sequence
from typing import Any

import msgspec

from scv.blocks.block import AppendToBranch, Cure, InsertBefore, RemoveHere, ReplaceHere, SetHere
from scv.blocks.document import Block
from scv.blocks.findings import Fix
from scv.blocks.message import Message, foreign, say
from scv.blocks.operations import Add, Remove, SetParams
from scv.blocks.tree import Spot


class At(msgspec.Struct, frozen=True):
    """A block at its place: its chain and its position there."""

    block: Block
    spot: Spot
    position: int

    def remove(self) -> Fix:
        """Taking the block out, which is possible whatever is wrong with it."""
        return Fix(say("Remove {type}", type=foreign(self.block.type)), (Remove(self.block.id),), safe=False)

    def set(self, label: Message, params: dict[str, Any]) -> Fix:
        return Fix(label, (SetParams(self.block.id, params),))

    def before(self, label: Message, blocks: Sequence[tuple[str, dict[str, Any]]]) -> Fix:
        """New blocks right before the block."""
        return Fix(label, self._adds(self.position, blocks))

    def after(self, label: Message, blocks: Sequence[tuple[str, dict[str, Any]]]) -> Fix:
        """New blocks right after the block."""
        return Fix(label, self._adds(self.position + 1, blocks))

    def _adds(self, first: int, blocks: Sequence[tuple[str, dict[str, Any]]]) -> tuple[Add, ...]:
        return tuple(
            Add(kind, first + i, params, self.spot.into, self.spot.branch) for i, (kind, params) in enumerate(blocks)
        )

    def cure(self, cure: Cure) -> Fix:
        """A cure of the block's kind as operations on this block."""
        match cure:
            case SetHere(label=label, params=params):
                return self.set(label, params)
            case InsertBefore(label=label, blocks=blocks):
                return self.before(label, blocks)
            case ReplaceHere(label=label, blocks=blocks):
                return Fix(label, (Remove(self.block.id), *self._adds(self.position, blocks)))
            case AppendToBranch(label=label, branch=branch, blocks=blocks):
                return Fix(label, tuple(Add(kind, None, params, self.block.id, branch) for kind, params in blocks))
            case RemoveHere():
                return self.remove()
