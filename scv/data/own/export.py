"""A dataset as a zip of PNG files in class folders, which imported again is the same dataset."""

import zipfile
import zlib
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scv.data.own.archives import unwritable
from scv.data.resident import Resident, in_parts

_COMPRESSION = {"compress_level": 1, "compress_type": zlib.Z_RLE}
"""How PNG files are packed: in a third of the time that Pillow takes by itself, and as small (128 × 128 photographs
1,100 a second instead of 400; MNIST 273 bytes an image instead of 275)."""


def exported_name(part: str, class_name: str, number: int) -> str:
    """What an image is called in the zip; `number` counts from 1 in its class (`MOST_FILES` has six digits).

    Images for validation are counted together with those to learn from, so that the order in which they lie in the
    dataset, on which its hash depends, can be told from the names.
    """
    return f"{part}/{class_name}/{number:06}.png"


def export_zip(resident: Resident, target: Path | BinaryIO) -> None:
    """Write all images of a dataset, exactly as a network sees them, into a zip; memory holds a few of them.

    The same dataset gives the same bytes. The zip goes to a path or to a file, which need not be one that can be
    rewound. Raises `ImagesError` where it cannot be written; of a path nothing is left then.
    """
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:  # a PNG is compressed already
            names, parts = resident.class_names, np.full(len(resident.test_labels), "test")
            _add(archive, resident.train_images, resident.train_labels, resident.train_parts, names)
            _add(archive, resident.test_images, resident.test_labels, parts, names)
    except BaseException as error:
        if isinstance(target, Path):
            target.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritable(error) from error
        raise


def _add(
    archive: zipfile.ZipFile,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    parts: NDArray[np.str_],
    class_names: tuple[str, ...],
) -> None:
    numbers = [0] * len(class_names)
    whole = (image for piece in in_parts(images) for image in piece)
    for image, label, part in zip(whole, labels.tolist(), parts.tolist(), strict=True):
        numbers[label] += 1
        file = BytesIO()
        pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)  # (H, W) or (H, W, 3)
        Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", **_COMPRESSION)
        info = zipfile.ZipInfo(exported_name(part, class_names[label], numbers[label]))  # of 1980: no time is told
        archive.writestr(info, file.getvalue())
