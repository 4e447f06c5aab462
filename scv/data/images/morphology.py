"""Grey morphology: the least and the most within a square window, in a time that hardly depends on the window."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_T = TypeVar("_T", np.uint8, np.bool_)

Grey = NDArray[np.uint8]  # (H, W)


def closing(values: Grey, window: int) -> Grey:
    """The minimum of the maxima around each pixel. Dark strokes that are narrower than the window disappear."""
    return 255 - opening(255 - values, window)


def opening(values: Grey, window: int) -> Grey:
    """The maximum of the minima around each pixel. Light strokes that are narrower than the window disappear.

    The image is continued beyond its edges, so that what touches an edge does not count as narrow.
    """
    half = max(1, window // 2)
    size = 2 * half + 1
    padded = np.pad(values, 2 * half, mode="edge")
    return 255 - _least(255 - _least(padded, size), size)


def around(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """The mask, and all that is within `reach` pixels of it along both axes."""
    return ~_least(~np.pad(mask, reach), 2 * reach + 1)


def _least(values: NDArray[_T], window: int) -> NDArray[_T]:
    """The least of the window that begins at each pixel; both sides become shorter by `window` − 1."""
    for axis in (0, 1):
        lines = values.swapaxes(0, axis)
        reach = 1
        while reach < window:  # of the least of 2, 4, 8… neighbours
            more = min(reach, window - reach)
            lines = np.minimum(lines[:-more], lines[more:])
            reach += more
        values = lines.swapaxes(0, axis)
    return values
