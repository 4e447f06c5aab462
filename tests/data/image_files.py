"""Real image files and archives for the tests."""

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image


def noise(seed: int, size: tuple[int, int] = (40, 32), mode: str = "RGB") -> Image.Image:
    """An image that no other seed gives."""
    random = np.random.default_rng(seed)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    return Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8))


def saved(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    """The bytes of an image file."""
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def classes(count: int, each: int, start: int = 0) -> dict[str, bytes]:
    """Files by name: so many classes with so many images each, no two the same."""
    return {
        f"{chr(97 + label % 26)}{label // 26 or ''}/{number:03}.png": saved(
            noise(start + label * 1000 + number, (16, 16))
        )
        for label in range(count)
        for number in range(each)
    }


def write_zip(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a zip file."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    """Write a folder."""
    for name, data in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return path
