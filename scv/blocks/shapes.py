"""Shapes of what flows between blocks, without the batch: `(C, H, W)` is a tensor, `(features,)` a vector."""

from math import prod

Shape = tuple[int, ...]


def is_tensor(shape: Shape) -> bool:
    """True for `(C, H, W)`, what convolutions and pools work on."""
    return len(shape) == 3


def size(shape: Shape) -> int:
    """How many numbers one image holds at this point."""
    return prod(shape)


def written(shape: Shape) -> str:
    """The shape as it is shown between two blocks: `32 × 14 × 14`, or `3,136`."""
    return " × ".join(f"{side:,}" for side in shape)
