"""Small versions of images, maps and kernels, many to a PNG file."""

from math import ceil, isqrt, sqrt
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F  # noqa: N812 - the name all of torch's own texts use

from scv.report.sprites import Sprite

Tiles = NDArray[np.uint8]
"""Images of equal size: (N, C, H, W), grey for one channel, red, green and blue for three."""

LARGEST = 64
"""Longest side of a thumbnail in pixels: enough to know an image again."""

PIXELS = 4_000_000
"""Most pixels of a sprite, unless more tiles than that allows have to be shown."""

_LEAST = 8  # pixels, under which nothing can be seen
_AT_ONCE = 256
_COMPRESSION = 3  # of 9: half the time for a tenth more bytes


def write_sprite(folder: Path, name: str, tiles: Tiles, *, scale: int = 1, columns: int | None = None) -> Sprite:
    """Write tiles, one at least, as `{name}.png`, each pixel as `scale` × `scale` ones.

    They are in rows of `columns` at most, of so many that the whole is about square where that is not said.
    """
    count, _, height, width = tiles.shape
    shown = tiles if tiles.shape[1] == 3 else tiles[:, :1]
    columns = max(1, min(count, columns or round(sqrt(count * height / width))))
    rows = ceil(count / columns)
    sheet = np.zeros((rows * columns, *shown.shape[1:]), np.uint8)
    sheet[:count] = shown
    sheet = sheet.reshape(rows, columns, *shown.shape[1:]).transpose(0, 3, 1, 4, 2)  # rows, H, columns, W, C
    sheet = sheet.reshape(rows * height, columns * width, -1)
    if scale > 1:
        sheet = sheet.repeat(scale, axis=0).repeat(scale, axis=1)
    file = f"{name}.png"
    image = Image.fromarray(sheet if sheet.shape[2] == 3 else sheet[:, :, 0])
    image.save(folder / file, compress_level=_COMPRESSION)
    return Sprite(file, width * scale, height * scale, columns, count)


def enlargement(height: int, width: int, tiles: int, side: int = LARGEST) -> int:
    """How many times larger so many small images have to be to fill `side` pixels each, and have room in a sprite."""
    return max(1, min(side // max(height, width), isqrt(PIXELS // (tiles * height * width))))


def thumbnail_size(height: int, width: int, tiles: int, pixels: int = PIXELS) -> tuple[int, int]:
    """Height and width at which so many tiles have no more than `pixels`, and none is larger than need be."""
    side = min(max(height, width), LARGEST, max(_LEAST, isqrt(pixels // max(1, tiles))))
    share = side / max(height, width)
    return max(1, round(height * share)), max(1, round(width * share))


def thumbnails(images: NDArray[np.uint8], indices: NDArray[np.intp], size: tuple[int, int]) -> Tiles:
    """The images at `indices`, shrunk by averaging to `size`: (N, C, height, width)."""
    small = np.empty((len(indices), images.shape[1], *size), np.uint8)
    for start in range(0, len(indices), _AT_ONCE):
        pixels = np.asarray(images[indices[start : start + _AT_ONCE]])
        small[start : start + _AT_ONCE] = pixels if pixels.shape[2:] == size else _shrunk(pixels, size)
    return small


def _shrunk(pixels: NDArray[np.uint8], size: tuple[int, int]) -> Tiles:
    averaged = F.adaptive_avg_pool2d(torch.from_numpy(np.ascontiguousarray(pixels)).float(), size)
    return np.asarray(averaged.round().to(torch.uint8).numpy())


def write_thumbnails(folder: Path, name: str, images: NDArray[np.uint8], indices: NDArray[np.intp]) -> Sprite | None:
    """A sprite of the images at `indices`, as large as the pixels of one sprite allow; None for no images."""
    if not len(indices):
        return None
    size = thumbnail_size(images.shape[2], images.shape[3], len(indices))
    return write_sprite(folder, name, thumbnails(images, indices, size))
