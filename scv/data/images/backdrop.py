"""A thing on a plain backdrop: what the backdrop is, and where the thing stands on it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scv.data.images.components import find_pieces
from scv.data.images.morphology import around

_LEAST = 0.05 * 255  # what differs no more from the backdrop is trimmed (Xiao et al. 2017)
_ALIKE = 25  # of 255 shades: corners that differ no more show the same
_CORNER = 0.06  # of the longer side: so large is a corner
_STRIP = 0.04  # of a side: so wide a strip of another colour at the frame is no part of the image
_GAP = 0.02  # of the longer side: parts of a thing lie no farther apart than twice this
_ANOTHER = 0.3  # of the largest thing: what is no smaller is a thing of its own

Shades = NDArray[np.float32]  # (H, W), from 0 to 255


class Thing(NamedTuple):
    """The image with its backdrop black, the box of the thing in it, and whether there are other things."""

    values: Shades
    left: int
    top: int
    right: int
    bottom: int
    others: bool


def on_black(shades: Shades) -> Shades:
    """Set the backdrop to 0 and the strongest difference from it to 255. A light backdrop is inverted first."""
    shades = _without_strips(shades)
    backdrop = _backdrop(shades)
    if backdrop > 127:
        shades, backdrop = 255 - shades, 255 - backdrop
    black: Shades = np.clip((shades - backdrop) * (255 / (255 - backdrop)), 0, 255).astype(np.float32)
    return black


def find_thing(values: Shades) -> Thing | None:
    """The largest thing on a backdrop that `on_black` has made black; None where there is none."""
    rim = _rim(values)
    noise = 3 * float(np.median(rim[rim <= _ALIKE])) if (rim <= _ALIKE).any() else 0.0
    mask = values > max(_LEAST, noise)
    joined = around(mask, max(1, round(_GAP * max(values.shape))))
    pieces, numbers = find_pieces(joined.astype(np.float32))
    others = len(pieces) > 1 and pieces[1].ink >= _ANOTHER * pieces[0].ink
    if others:
        alone = numbers == pieces[0].number
        mask, values = mask & alone, np.where(alone, values, 0)
    rows, columns = (np.flatnonzero(mask.mean(axis) > 0.01) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return None
    return Thing(values, int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1, others)


def _rim(shades: Shades) -> Shades:
    return np.concatenate([shades[0], shades[-1], shades[:, 0], shades[:, -1]])


def _backdrop(shades: Shades) -> float:
    """The shade that most corners show. Where corners disagree, the shade that more of the rim shows.

    The median of the rim is not enough: a thing may touch more than half of it.
    """
    size = max(1, round(_CORNER * max(shades.shape)))
    corners = [np.median(shades[rows, columns]) for rows in _ends(size) for columns in _ends(size)]
    rim = _rim(shades)
    shown = [
        (sum(abs(other - corner) <= _ALIKE for other in corners), (np.abs(rim - corner) <= _ALIKE).sum(), float(corner))
        for corner in corners
    ]
    return max(shown)[2]


def _ends(size: int) -> tuple[slice, slice]:
    return slice(None, size), slice(-size, None)


def _without_strips(shades: Shades) -> Shades:
    """The image without thin strips of another shade along its frame, as scanners and screenshots leave them."""
    for _ in range(4):  # each side in turn
        shades = np.rot90(shades[_strip(shades) :])
    return shades


def _strip(shades: Shades) -> int:
    """How many rows at the top are a strip of another shade.

    Nearly all pixels of such a row differ from the rows further down.
    """
    most = int(_STRIP * len(shades))
    inside = shades[most + 1 : 2 * most + 2]
    if not most or len(inside) <= most:
        return 0
    below = np.median(inside, axis=0)
    differs = (np.abs(shades[: most + 1] - below) > _ALIKE).mean(1) > 0.8
    return 0 if differs[-1] or not differs[0] else int(np.flatnonzero(differs)[-1]) + 1
