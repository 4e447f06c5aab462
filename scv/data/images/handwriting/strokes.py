"""Strokes brought into the form of handwritten data: their size, place and thickness."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from scv.data.official.catalogue import Handwriting

Share = NDArray[np.float32]  # (H, W), 0 is paper, 1 is ink

_FINE = 8  # times finer than the result: thickness is changed there
_STEEPEST = 0.7  # sideways for each step down: more is no slant
_SOFT = 0.5  # standard deviation in pixels of the fine image, which has hard edges elsewhere


def unslanted(strength: Share) -> Share:
    """Upright strokes: sheared until their rows lie above each other, by second moments."""
    rows, columns = np.indices(strength.shape, dtype=np.float32)
    rows -= (rows * strength).sum() / strength.sum()
    columns -= (columns * strength).sum() / strength.sum()
    spread = float((rows**2 * strength).sum())
    slant = float(np.clip((rows * columns * strength).sum() / spread, -_STEEPEST, _STEEPEST)) if spread else 0.0
    height, width = strength.shape
    room = int(abs(slant) * height) + 2
    image = Image.fromarray((strength * 255).astype(np.uint8)).transform(
        (width + 2 * room, height),
        Image.Transform.AFFINE,
        (1, slant, -room + slant * float(rows[0, 0]), 0, 1, 0),
        Image.Resampling.BILINEAR,
    )
    return _cut(np.asarray(image, dtype=np.float32) / np.float32(255))


def fitted(strength: Share, form: Handwriting, side: int) -> tuple[Share, float]:
    """The strokes within the form's box, (box height, box width) or less, and by how much they became thicker.

    `side` is that of the whole image in pixels. Thickness is in its pixels as well, negative where it became less.
    """
    height, width = form.box
    fine = side * _FINE
    limits = np.array([height, width]) * _FINE
    first = _resized(strength, limits, form.stretch)
    before = thickness(first)
    least, most = (share * fine for share in form.thickness)
    wanted = min(max(before, least), most)
    # what is added around the strokes is not there to be filled by them
    add = (wanted - before) / max(0.2, 1 - before / max(first.shape))
    radius = round(add / 2)
    if radius:
        first = _resized(strength, limits - 2 * radius, form.stretch)
        first = np.pad(first, max(0, radius) + 1)
        first = _cut(_thicker(first, radius) if radius > 0 else 1 - _thicker(1 - first, -radius))
    after = thickness(first)
    return first, (after - before) / _FINE


def placed(strokes: Share, form: Handwriting, side: int) -> NDArray[np.uint8]:
    """The fine strokes on a black image, (side, side): centred by their mass or by their box, as the form says."""
    height, width = (max(1, round(length / _FINE)) for length in strokes.shape)
    image = Image.fromarray((strokes * 255).round().astype(np.uint8)).filter(ImageFilter.GaussianBlur(_SOFT * _FINE))
    small = np.asarray(image.resize((width, height), Image.Resampling.BOX), dtype=np.float32)
    small = np.clip(small * (255 / max(1.0, float(np.quantile(small[small > 0], 0.9)))), 0, 255)
    if form.centre == "mass":
        rows, columns = np.indices(small.shape)
        total = float(small.sum())
        middle = (float((rows * small).sum()) / total + 0.5, float((columns * small).sum()) / total + 0.5)
    else:
        middle = (height / 2, width / 2)
    top, left = (
        min(max(0, round(side / 2 - centre)), side - length) for centre, length in zip(middle, small.shape, strict=True)
    )
    whole = np.zeros((side, side), np.uint8)
    whole[top : top + height, left : left + width] = small.round()
    return whole


def thickness(strength: Share) -> float:
    """How thick strokes are in the mean, in pixels: twice their area by the length of their outline."""
    mask = np.pad(strength > 0.5, 1)
    inner = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    area = int(mask.sum())
    return 2 * area / max(1, area - int(inner.sum()))


def _resized(strength: Share, limits: NDArray[np.intp], stretch: float) -> Share:
    height, width = strength.shape
    scales = limits / np.array([height, width])
    scales = np.minimum(scales, scales.min() * np.array([1, stretch]))
    rows, columns = (max(1, round(length)) for length in scales * np.array([height, width]))
    image = Image.fromarray((strength * 255).astype(np.uint8))
    resized = np.asarray(image.resize((columns, rows), Image.Resampling.BICUBIC), dtype=np.float32)
    return resized / np.float32(255)


def _thicker(strength: Share, radius: int) -> Share:
    """The most of what is within the radius: an octagon, a square and a cross in turn."""
    for step in range(radius):
        padded = np.pad(strength, 1, mode="edge")
        across = np.maximum(np.maximum(padded[1:-1, :-2], padded[1:-1, 2:]), strength)
        down = np.maximum(padded[:-2], padded[2:])
        if step % 2:
            padded = np.pad(across, ((1, 1), (0, 0)), mode="edge")
            strength = np.maximum(across, np.maximum(padded[:-2], padded[2:]))
        else:
            strength = np.maximum(across, down[:, 1:-1])
    return strength


def _cut(strength: Share) -> Share:
    """Without the empty rows and columns around."""
    mask = strength > 0.25
    if not mask.any():
        return strength
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return strength[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
