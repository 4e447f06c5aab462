"""Fixes: operations that repair a block at its position, made from the cures of its kind or by the check."""

from collections.abc import Sequence
from typing import Any

import msgspec

from scv.blocks.block import AppendToBranch, Container, Cure, InsertBefore, RemoveHere, ReplaceHere, SetHere, ShapeError
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.document import Block
from scv.blocks.findings import Fix
from scv.blocks.operations import Add, Move, Remove, SetParams
from scv.blocks.shapes import Shape
from scv.blocks.tree import Chain, Spot
from scv.blocks.windows import kept_label
from scv.message import Message, foreign, say


class At(msgspec.Struct, frozen=True):
    """A block at its place: its chain and its position there."""

    block: Block
    spot: Spot
    position: int

    def remove(self) -> Fix:
        """Taking the block out, which is possible whatever is wrong with it."""
        return Fix(say("Remove {type}", type=foreign(self.block.type)), (Remove(self.block.id),), safe=False)

    def move(self, label: Message, position: int) -> Fix:
        """Moving the block to another position of its chain."""
        return Fix(label, (Move(self.block.id, position, self.spot.into, self.spot.branch),))

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


def keep_size(at: At, shape: Shape) -> Fix | None:
    """The fix that sets padding on those blocks in a container that shrink the image and could keep its size with it.

    `shape` is the input shape of the container. None where no block is such, or where the container still does not fit.
    """
    paddings: dict[str, tuple[int, int]] = {}
    if _kept((at.block,), shape, paddings) is None or not paddings:
        return None
    operations = tuple(SetParams(block, {"padding": list(padding)}) for block, padding in paddings.items())
    return Fix(kept_label(set(paddings.values())), operations)


def _kept(chain: Chain, shape: Shape, paddings: dict[str, tuple[int, int]]) -> Shape | None:
    """The output shape of a chain padded in this way; None where it does not fit. Fills `paddings` by block id."""
    for block in chain:
        kind = CATALOGUE.get(block.type)
        values, refused = ({}, {}) if kind is None else kind.complete(block.params)
        if kind is None or refused:
            return None
        try:
            if isinstance(kind, Container):
                outputs = [_kept(branch, shape, paddings) for branch in block.branches or ()]
                shapes = [output for output in outputs if output is not None]
                if len(shapes) < len(outputs) or not kind.fewest <= len(outputs) <= kind.most:
                    return None
                shape = kind.join(values, shapes)
                continue
            output, padding = kind.output(values, shape), kind.kept(values, shape)
            if padding is not None and any(after < before for after, before in zip(output[1:], shape[1:], strict=True)):
                paddings[block.id] = padding
                output = (output[0], *shape[1:])
            shape = output
        except ShapeError:
            return None
    return shape
