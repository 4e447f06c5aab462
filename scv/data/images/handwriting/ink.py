"""Ink on paper: where the strokes of a drawing or of a photograph are, whatever the light, the paper and the colours.

Strokes are narrow: a grey closing (the brightest of the darkest around) by a window wider than they are gives the paper
without dark ink on it, an opening that without light ink. Either keeps what is wider than its window, so shadows, the
edge of a sheet and the table around it are paper as well (the top-hat transforms of Meyer 1979).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from scv.data.images.components import Component, find_pieces
from scv.data.images.handwriting.paper import find_sheet, otsu
from scv.data.images.morphology import around, closing, opening

Grey = NDArray[np.uint8]  # (H, W)
Share = NDArray[np.float32]  # (H, W), 0 to 1

_WINDOW = 0.25  # of the shorter side: no stroke is as broad
_DARKEST_PAPER = 24.0  # in deeper shadow differences are noise, and are not made larger
_LEAST_CONTRAST = 0.06  # of the light of the paper; a pencil has 0.3
_ABOVE_NOISE = 5.0  # standard deviations
_LEAST_INK = 12  # pixels' worth
_DOT = 0.03  # of the ink of the largest piece: the dot of an i has about 0.08
_NEAR = 0.35  # of the size of the largest piece, how far what belongs to it may be
_DARK = 0.6  # of full ink: a piece that is nowhere so dark is a stain or the edge of a shadow
_CUT_OFF = 0.25  # a piece at the image's edge counts so much less: it may be what lies around the paper
_LINE = 0.75  # of the width: so much of a ruled line is not hidden by strokes
_STEEPEST = 0.07  # of ruled lines, sideways for each step along


class Ink(NamedTuple):
    """The strokes that were found.

    `strength` is 1 where there is ink, 0 where there is paper and between them at the edge of a stroke. `box` is where
    the strokes of one character are, `(left, top, right, bottom)`; `light` says that they are lighter than the paper.
    `others` counts pieces of some size beside it, `ruled` lines that were taken out.
    """

    strength: Share
    box: tuple[int, int, int, int]
    light: bool
    others: int
    ruled: int


def find_ink(image: Image.Image) -> Ink | None:
    """Find the strokes on an image of mode L or RGB, best of about 640 pixels; None on a blank one."""
    soft = image.filter(ImageFilter.GaussianBlur(max(image.size) / 1000))
    bands = [np.asarray(band) for band in (soft.convert("L"), *(soft.split() if soft.mode == "RGB" else ()))]
    sheet = find_sheet(soft)
    if sheet is not None:
        bands = [np.where(sheet, band, np.uint8(np.median(band[sheet]))) for band in bands]
    band, light = _clearest(bands, image.size)
    values = bands[band]
    if light:
        values = 255 - values
    paper = closing(values, _window(image.size)).astype(np.float32)
    contrast = (paper - values) / np.maximum(paper, _DARKEST_PAPER)
    ruled = _without_lines(contrast)
    found = _threshold(contrast)
    if found is None:
        return None
    floor, full = found
    strength = np.clip((contrast - floor) / (full - floor), 0, 1).astype(np.float32)
    return _character(strength, light, ruled)


def _window(size: tuple[int, int]) -> int:
    return max(9, round(_WINDOW * min(size)))


def _clearest(bands: list[Grey], size: tuple[int, int]) -> tuple[int, bool]:
    """Which of grey, red, green and blue shows the strokes best, and whether they are lighter than the paper.

    What is narrow is ink, or paper between strokes; just around all of that there is only paper.
    """
    step = max(1, min(size) // 160)
    best = (0.0, 0, False)
    for index, band in enumerate(bands):
        values = np.asarray(Image.fromarray(band).reduce(step)) if step > 1 else band
        window = _window((values.shape[1], values.shape[0]))
        bright, dark = closing(values, window).astype(np.float32), opening(values, window).astype(np.float32)
        span = bright - dark
        clear = float(np.partition(span, -_LEAST_INK, axis=None)[-_LEAST_INK])
        strokes = span > clear / 2
        around_ink = around(strokes, max(2, window // 8)) & ~strokes
        if clear < 1 or not around_ink.any():
            continue
        middle = float((bright + dark)[strokes].mean()) / 2
        score = clear / max(middle, 60) ** 0.5
        light = float(values[around_ink].mean()) < middle
        score *= 1.3 if index == 0 else 1.0  # a colour is noisier than all together
        best = max(best, (score, index, light))
    return best[1], best[2]


def _threshold(contrast: Share) -> tuple[float, float] | None:
    """The contrast at which ink begins and that of full ink; None where nothing stands out from the noise."""
    some = contrast[::3, ::3]
    typical = float(np.median(some))
    deviation = 1.4826 * float(np.median(np.abs(some - typical)))
    floor = max(_LEAST_CONTRAST, typical + _ABOVE_NOISE * deviation)
    candidates = contrast[contrast > floor]
    if len(candidates) < _LEAST_INK:
        return None
    cut = max(floor, otsu(candidates))
    full = float(np.median(candidates[candidates >= cut]))
    return max(floor, 0.35 * full) if full > floor else floor, max(full * 0.9, floor + 0.01)


def _without_lines(contrast: Share) -> int:
    """Take ruled lines out of the contrast, in place, and count them; where a stroke crosses one it stays.

    A line goes through nearly the whole image, straight, in either direction and a little turned.
    """
    found = _threshold(contrast)
    if found is None:
        return 0
    return sum(_without_rows(view, found[0]) for view in (contrast, contrast.T))


def _without_rows(contrast: Share, floor: float) -> int:
    """The same for lines along the rows."""
    height, width = contrast.shape
    columns = np.arange(width)
    floor = min(floor, _LEAST_CONTRAST)
    mask: NDArray[np.bool_] = contrast > floor
    if (mask.mean(1) > _LINE / 2).mean() > 0.5 or width < 64:
        return 0
    pairs = mask[: height // 2 * 2 : 2] | mask[1 : height // 2 * 2 : 2]
    sparse = columns[:: max(1, width // 130)]
    some = np.concatenate([pairs[:, sparse]] * 2)  # so that a column can be read on from its top
    if some.any(0).mean() <= _LINE:
        return 0
    count = len(pairs)
    view = np.lib.stride_tricks.sliding_window_view(some, count, axis=0)  # (count + 1, columns, count)
    best, steepness = 0.0, 0.0
    for slope in np.linspace(-_STEEPEST, _STEEPEST, 29):
        shift = np.round(slope / 2 * (sparse - width / 2)).astype(int) % count
        filled = view[shift, np.arange(len(sparse))].sum(0, dtype=np.uint16) / len(sparse)
        score = float((filled[filled > _LINE] ** 2).sum())
        if score > best:
            best, steepness = score, float(slope)
    if not best:
        return 0
    rows = (np.arange(height)[:, None] + np.round(steepness * (columns - width / 2)).astype(int)) % height
    straight = contrast[rows, columns]
    filled = (straight > floor).mean(1)
    lines = 0
    for start, end in _runs(filled > _LINE):
        if end - start > max(6, height // 50):
            continue
        lines += 1
        start, end = max(0, start - 2), min(height, end + 2)
        before, after = max(0, start - 2), min(height - 1, end + 1)
        crossed = np.minimum(straight[before], straight[after]) > 2 * floor
        crossed = np.convolve(crossed, np.ones(3), "same") > 0
        part = straight[start:end]
        typical = np.median(part, axis=1, keepdims=True)
        part[:, ~crossed] = np.maximum(part - 1.6 * typical, 0)[:, ~crossed]
    contrast[rows, columns] = straight
    return lines


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where flags are set in a row, as (start, end)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _character(strength: Share, light: bool, ruled: int) -> Ink | None:
    """The largest piece and what lies near to it; all else is taken for dirt or for other characters."""
    found, numbers = find_pieces(strength)
    found = [piece for piece in found if piece.darkest >= _DARK]
    largest = max(found, key=lambda piece: piece.ink * (_CUT_OFF if piece.at_edge else 1), default=None)
    if largest is None or largest.ink < _LEAST_INK:
        return None
    ours = [piece for piece in found if piece is largest or _belongs(piece, largest)]
    others = [piece for piece in found if piece not in ours and piece.ink >= largest.ink / 4 and not piece.at_edge]
    kept = np.where(np.isin(numbers, [piece.number for piece in ours]), strength, 0).astype(np.float32)
    box = (
        min(piece.left for piece in ours),
        min(piece.top for piece in ours),
        max(piece.right for piece in ours),
        max(piece.bottom for piece in ours),
    )
    return Ink(kept, box, light, len(others), ruled)


def _belongs(piece: Component, largest: Component) -> bool:
    """Whether a piece is of the same character: large enough for a dot, and near."""
    return not piece.at_edge and piece.ink >= _DOT * largest.ink and piece.gap(largest) <= _NEAR * largest.size
