"""One picture: from a file's bytes to the pixels that a network sees.

The source of what stands here is also part of the standalone script: so it uses Pillow, numpy and nothing of SCV.
"""

import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps


class RefusedError(Exception):
    """A picture is left out; its text says why: "unreadable", "small", "large" or "empty"."""


def picture(data: bytes, size: int, channels: int, fit: str) -> bytes:
    """The pixels of a picture file, uint8 (channels, size, size) as bytes. Raises `RefusedError`.

    One channel is grey, three are red, green and blue. `fit` is "crop" (the middle), "pad" (white around it) or
    "stretch". Turned as its EXIF says; what is transparent becomes white; of an animation the first picture.
    """
    if not data:
        raise RefusedError("empty")
    mode = "RGB" if channels == 3 else "L"
    try:
        image: Image.Image = Image.open(BytesIO(data), formats=("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"))
        if min(image.size) < 8:
            raise RefusedError("small")
        if max(image.size) > 20_000 or image.width * image.height > 50_000_000:
            raise RefusedError("large")
        image.draft(mode, (2 * size, 2 * size))  # a large JPEG is read at a fraction
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith("I;16"):
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.mode in ("I", "F"):
            raise RefusedError("unreadable")  # numbers without a known range
        if image.has_transparency_data:
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image.convert("RGBA"))
        if image.mode != mode:
            image = image.convert(mode)
        if image.size != (size, size):
            if fit == "crop":
                image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
            elif fit == "pad":
                image = ImageOps.pad(image, (size, size), Image.Resampling.BILINEAR, color="white")
            else:
                image = image.resize((size, size), Image.Resampling.BILINEAR)
        return image.tobytes() if channels == 1 else b"".join(band.tobytes() for band in image.split())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise RefusedError("large") from error
    except (
        *(OSError, SyntaxError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError, EOFError),
        *(MemoryError, RuntimeError, struct.error, zlib.error),  # what Pillow's readers raise on spoilt files
    ) as error:
        raise RefusedError("unreadable") from error
