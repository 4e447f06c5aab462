"""The sheet of paper on a photograph that shows the table as well."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scv.data.images.components import find_pieces
from scv.data.images.morphology import around, closing, opening

_SIDE = 200  # pixels: so fine is looked
_STROKES = 0.06  # of the shorter side: narrower ones are no hole in the sheet
_BROAD = 0.2  # of the shorter side: a sheet is broader in both directions, a stroke is not
_LEAST_AREA = 0.12
_MOST_CUT_OFF = 0.3  # of its outline: what is cut off more is half an image in the light, and half in the shadow
_LEAST_STEP = 0.2  # between sheet and table, of the lighter one
_LEAST_SQUARE = 0.85  # of the narrowest rectangle around it: an ellipse fills 0.79
_MARGIN = 0.015


def find_sheet(image: Image.Image) -> NDArray[np.bool_] | None:
    """Where the sheet is, (H, W), its blurred edge left out; None where the image is not of one on something else."""
    step = max(1, max(image.size) // _SIDE)
    grey = np.asarray(image.convert("L").reduce(step))
    side = min(grey.shape)
    window = max(3, round(_STROKES * side))
    for light in (True, False):
        plain = closing(grey, window) if light else 255 - closing(255 - grey, window)
        sheet = _sheet_of(plain if light else 255 - plain, side)
        if sheet is not None:
            whole = Image.fromarray(sheet).resize(image.size, Image.Resampling.NEAREST)
            return np.asarray(whole)
    return None


def _sheet_of(values: NDArray[np.uint8], side: int) -> NDArray[np.bool_] | None:
    """The sheet where it is the lighter part."""
    cut = otsu(values.astype(np.float32))
    bright = values > cut
    if bright.all() or not bright.any():
        return None
    inner, outer = float(values[bright].mean()), float(values[~bright].mean())
    if inner - outer < _LEAST_STEP * max(inner, 255 - outer):
        return None
    broad = opening(bright.astype(np.uint8), max(3, round(_BROAD * side))) > 0
    found, numbers = find_pieces(bright.astype(np.float32))
    if not broad.any() or not found or not broad[numbers == found[0].number].any():
        return None
    sheet = numbers == found[0].number
    rest, numbers = find_pieces((~sheet).astype(np.float32))
    holes = [piece.number for piece in rest if not piece.at_edge]
    sheet |= np.isin(numbers, holes)
    height, width = sheet.shape
    cut_off = sum(int(line.sum()) for line in (sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1]))
    outline = int((around(~sheet, 1) & sheet).sum()) + cut_off
    if sheet.mean() < _LEAST_AREA or cut_off > _MOST_CUT_OFF * outline or _squareness(sheet) < _LEAST_SQUARE:
        return None
    margin = max(1, round(_MARGIN * max(height, width)))
    return ~around(~sheet, margin)


def _squareness(mask: NDArray[np.bool_]) -> float:
    """The share of its narrowest rectangle, however that is turned, that the mask fills."""
    points = np.argwhere(mask)
    smallest = float(mask.size)
    for angle in np.linspace(0, np.pi / 2, 30, endpoint=False):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        smallest = min(smallest, float(np.prod(np.ptp(points[::7] @ turn, axis=0) + 1)))
    return len(points) / smallest


def otsu(values: NDArray[np.float32]) -> float:
    """The value that parts two groups best (Otsu 1979)."""
    counts, edges = np.histogram(values, 128)
    centres = (edges[1:] + edges[:-1]) / 2
    below, sums = counts.cumsum(), (counts * centres).cumsum()
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1 + int(np.argmax(np.nan_to_num(between[:-1])))])
