"""One image: from a file's bytes to the pixels that a network sees.

The source of what stands here is also part of the standalone script: so it uses Pillow, numpy and nothing of SCV.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps


class ImageRefusedError(Exception):
    """An image is left out; its text says why: "unreadable", "small", "large" or "empty"."""


@contextmanager
def refusing() -> Iterator[None]:
    """Turn every error that Pillow raises for a damaged file into an `ImageRefusedError`."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageRefusedError("large") from error
    except (
        *(OSError, SyntaxError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError, EOFError),
        *(MemoryError, RuntimeError, struct.error, zlib.error),  # what Pillow's readers raise on spoilt files
    ) as error:
        raise ImageRefusedError("unreadable") from error


def check_size(image: Image.Image) -> None:
    """Raise `ImageRefusedError` for an image that is too small or too large."""
    if min(image.size) < 8:
        raise ImageRefusedError("small")
    if max(image.size) > 20_000 or image.width * image.height > 50_000_000:
        raise ImageRefusedError("large")


def decoded(data: bytes, mode: str, side: int) -> Image.Image:
    """The image in a file as it lies there. A large JPEG is read at a fraction, `side` pixels or more."""
    if not data:
        raise ImageRefusedError("empty")
    image: Image.Image = Image.open(BytesIO(data), formats=("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"))
    check_size(image)
    image.draft(mode, (side, side))
    image.load()
    return image


def upright(image: Image.Image) -> Image.Image:
    """Turn the image as its EXIF data say. No other metadata are read, so damaged metadata never lose the pixels."""
    try:
        with refusing():
            orientation = image.getexif().get(0x0112)
    except ImageRefusedError:
        return image
    how = Image.Transpose
    turns = {2: how.FLIP_LEFT_RIGHT, 3: how.ROTATE_180, 4: how.FLIP_TOP_BOTTOM, 5: how.TRANSPOSE}
    turns |= {6: how.ROTATE_270, 7: how.TRANSVERSE, 8: how.ROTATE_90}
    return image.transpose(turns[orientation]) if orientation in turns else image


def plain(image: Image.Image, mode: str) -> Image.Image:
    """Convert to mode L or RGB. Of 16 bits the upper 8 are kept; transparent parts become white."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ImageRefusedError("unreadable")  # numbers without a known range
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image if image.mode == mode else image.convert(mode)


def squared(image: Image.Image, size: int, fit: str) -> Image.Image:
    """`size` pixels wide and high. `fit` is "crop" (the middle), "pad" (white around it) or "stretch"."""
    if image.size == (size, size):
        return image
    if fit == "crop":
        return ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    if fit == "pad":
        return ImageOps.pad(image, (size, size), Image.Resampling.BILINEAR, color="white")
    return image.resize((size, size), Image.Resampling.BILINEAR)


def pixels_of(image: Image.Image) -> bytes:
    """The pixels channel by channel, uint8 (C, H, W)."""
    return image.tobytes() if image.mode == "L" else b"".join(band.tobytes() for band in image.split())


def decode_image(data: bytes, size: int, channels: int, fit: str) -> bytes:
    """The pixels of an image file, uint8 (channels, size, size) as bytes. Raises `ImageRefusedError`.

    One channel is grey, three are red, green and blue. `fit` is as in `squared`. Turned as its EXIF says; of an
    animation the first image.
    """
    mode = "RGB" if channels == 3 else "L"
    with refusing():
        image = upright(decoded(data, mode, 2 * size))
        return pixels_of(squared(plain(image, mode), size, fit))
