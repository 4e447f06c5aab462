"""Images of a dataset as PNG files: one of each class in a strip, some of one class, or a single one."""

from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scv.data.resident import open_resident, sample_images, samples_of_class

SIDE = 64
"""Pixels of one sample image at least; smaller images are enlarged by a whole factor, without smoothing."""

GAP = 6

SHOWN = 10
"""So many images of each class are shown."""


@lru_cache(256)
def strip(data_dir: Path, name: str, label: int | None = None) -> bytes:
    """A PNG of one image a class, or of some of one class. Raises `ResidentError`, which is not kept."""
    resident = open_resident(data_dir, name)
    return side_by_side(sample_images(resident) if label is None else samples_of_class(resident, label, SHOWN))


def single(data_dir: Path, name: str, part: str, index: int) -> bytes:
    """A PNG of one image of the part "train" or "test". Raises `ResidentError`, and `IndexError` for its number."""
    resident = open_resident(data_dir, name)
    images = resident.train_images if part == "train" else resident.test_images
    if index < 0:
        raise IndexError(index)
    return side_by_side(np.asarray(images[index][np.newaxis]))


def side_by_side(images: NDArray[np.uint8]) -> bytes:
    """A PNG of the images (N, C, H, W) in one row, with see-through gaps."""
    count, channels, height, width = images.shape
    factor = max(1, SIDE // max(height, width))
    pixels = images.transpose(0, 2, 3, 1).repeat(factor, axis=1).repeat(factor, axis=2)  # (N, H, W, C)
    if channels == 1:
        pixels = pixels.repeat(3, axis=3)
    height, width = height * factor, width * factor
    strip = np.zeros((height, count * (width + GAP) - GAP, 4), np.uint8)
    for index in range(count):
        left = index * (width + GAP)
        strip[:, left : left + width, :3] = pixels[index]
        strip[:, left : left + width, 3] = 255
    file = BytesIO()
    Image.fromarray(strip).save(file, "PNG", optimize=True)
    return file.getvalue()
