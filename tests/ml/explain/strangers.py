"""Images that a network of digits has never learned from, 28×28: noise, letters and clothes."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from scv.data.images.preprocess import OwnImageError, form_of, see

_MNIST = form_of("mnist", (1, 28, 28))
_LETTERS = "ABCDEFGHJKMNPQRTUVWXYabdefghkmnpqrtwxy"
"""Without those that are written much as digits are: I, l, i, j, O, o, S, s, Z, z and c, u, v, L."""

Strangers = NDArray[np.uint8]  # (N, 1, 28, 28)


def noise(count: int, seed: int = 0) -> Strangers:
    """Each pixel by chance, or blotches, or few bright pixels on black."""
    random = np.random.default_rng(seed)
    images = []
    for number in range(count):
        pixels = random.integers(0, 256, (28, 28), dtype=np.uint8)
        if number % 3 == 1:
            small = Image.fromarray(random.integers(0, 256, (6, 6), dtype=np.uint8))
            pixels = np.asarray(small.resize((28, 28), Image.Resampling.BICUBIC))
        elif number % 3 == 2:
            pixels = np.where(random.random((28, 28)) < 0.15, pixels, 0).astype(np.uint8)
        images.append(pixels)
    return np.stack(images)[:, None]


def letters(count: int, seed: int = 0) -> Strangers:
    """Letters of a printed alphabet, turned and slanted, through the same steps as a person's own image."""
    random = np.random.default_rng(seed)
    images: list[NDArray[np.uint8]] = []
    font = ImageFont.load_default(120)
    while len(images) < count:
        image = Image.new("L", (240, 240), 255)
        ImageDraw.Draw(image).text((120, 120), random.choice(list(_LETTERS)), 0, font=font, anchor="mm")
        slant = random.normal(0, 0.12)
        image = image.transform((240, 240), Image.Transform.AFFINE, (1, slant, -120 * slant, 0, 1, 0), fillcolor=255)
        image = image.rotate(random.normal(0, 6), fillcolor=255)
        try:
            images.append(see(image, _MNIST).pixels)
        except OwnImageError:
            continue
    return np.stack(images)


_CLOTHES = {
    "shirt": [
        *((8, 4), (12, 6), (16, 6), (20, 4), (26, 11), (22, 14)),
        *((20, 11), (20, 25), (8, 25), (8, 11), (6, 14), (2, 11)),
    ],
    "trousers": [(9, 2), (19, 2), (21, 26), (16, 26), (14, 9), (12, 26), (7, 26)],
    "dress": [(11, 2), (17, 2), (17, 10), (22, 26), (6, 26), (11, 10)],
    "shoe": [(2, 12), (9, 11), (15, 16), (25, 18), (26, 22), (2, 22)],
    "bag": [(4, 11), (9, 10), (11, 5), (17, 5), (19, 10), (24, 11), (25, 24), (3, 24)],
    "boot": [(8, 3), (16, 3), (16, 16), (25, 20), (25, 25), (7, 25)],
}  # fmt: skip


def clothes(count: int, seed: int = 0) -> Strangers:
    """Silhouettes of clothes, shaded and woven, as those of Fashion-MNIST are: full and grey, not strokes."""
    random = np.random.default_rng(seed)
    shapes = list(_CLOTHES.values())
    images = []
    for number in range(count):
        image = Image.new("L", (112, 112), 0)
        points = np.array(shapes[number % len(shapes)], dtype=float) + random.normal(0, 0.5, (1, 2))
        points = (points + random.normal(0, 0.4, points.shape)) * 4
        ImageDraw.Draw(image).polygon([tuple(point) for point in points], fill=255)
        mask = np.asarray(image.filter(ImageFilter.GaussianBlur(1)).resize((28, 28), Image.Resampling.BOX)) / 255
        y, x = np.mgrid[0:28, 0:28]
        weave = 1 + 0.25 * np.sin(x * random.uniform(0.3, 2) + y * random.uniform(0.3, 2) + random.uniform(0, 6))
        shade = random.uniform(90, 220) * weave + random.normal(0, 12, (28, 28))
        images.append(np.clip(mask * shade, 0, 255).astype(np.uint8))
    return np.stack(images)[:, None]


def auroc(known: NDArray[np.float64], strange: NDArray[np.float64]) -> float:
    """How often what is strange scores higher than what is known."""
    order = np.sort(known)
    below, up_to = np.searchsorted(order, strange, "left"), np.searchsorted(order, strange, "right")
    return float((below + up_to).mean() / 2 / len(known))
