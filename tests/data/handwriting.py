"""Drawings and photographs of digits, made as people make them: pen strokes on many kinds of paper, in many lights."""

# ruff: noqa: E501 - a form of a digit is read best on one line

from collections.abc import Callable
from functools import cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Stroke = list[tuple[float, float]]

_SIX = [(0.68, 0.03), (0.42, 0.2), (0.22, 0.5), (0.2, 0.78), (0.4, 0.97), (0.66, 0.9), (0.74, 0.7), (0.58, 0.54)]
_NINE_LOOP = [(0.74, 0.22), (0.56, 0.04), (0.3, 0.1), (0.22, 0.32), (0.38, 0.5), (0.62, 0.42), (0.74, 0.2)]

FORMS: dict[int, list[list[Stroke]]] = {
    0: [
        [[(0.5, 0.02), (0.24, 0.16), (0.14, 0.5), (0.26, 0.86), (0.5, 0.98), (0.76, 0.84), (0.86, 0.5), (0.74, 0.14), (0.48, 0.02)]],
        [[(0.56, 0.03), (0.34, 0.14), (0.26, 0.5), (0.34, 0.86), (0.5, 0.97), (0.68, 0.84), (0.74, 0.48), (0.62, 0.1), (0.44, 0.06)]],
        [[(0.62, 0.08), (0.36, 0.04), (0.16, 0.34), (0.2, 0.76), (0.46, 0.97), (0.76, 0.8), (0.84, 0.42), (0.7, 0.12), (0.5, 0.05)]],
    ],
    1: [
        [[(0.5, 0.02), (0.5, 0.5), (0.5, 0.98)]],
        [[(0.58, 0.02), (0.52, 0.5), (0.44, 0.98)]],
        [[(0.34, 0.24), (0.46, 0.13), (0.55, 0.02)], [(0.55, 0.02), (0.54, 0.5), (0.53, 0.98)]],
        [
            [(0.36, 0.22), (0.46, 0.12), (0.53, 0.02)],
            [(0.53, 0.02), (0.52, 0.5), (0.52, 0.97)],
            [(0.3, 0.97), (0.5, 0.97), (0.72, 0.97)],
        ],
    ],
    2: [
        [[(0.2, 0.24), (0.34, 0.06), (0.6, 0.04), (0.76, 0.22), (0.66, 0.46), (0.42, 0.72), (0.18, 0.96)], [(0.18, 0.96), (0.5, 0.95), (0.84, 0.95)]],
        [[(0.2, 0.2), (0.42, 0.03), (0.7, 0.1), (0.74, 0.34), (0.5, 0.66), (0.26, 0.9), (0.2, 0.78), (0.38, 0.78), (0.6, 0.94), (0.84, 0.88)]],
        [[(0.24, 0.1), (0.5, 0.02), (0.74, 0.16), (0.68, 0.42), (0.42, 0.74), (0.16, 0.94)], [(0.16, 0.94), (0.46, 0.98), (0.8, 0.9)]],
    ],
    3: [
        [[(0.22, 0.14), (0.44, 0.02), (0.7, 0.12), (0.68, 0.36), (0.42, 0.48)], [(0.42, 0.48), (0.72, 0.56), (0.8, 0.78), (0.56, 0.97), (0.2, 0.88)]],
        [[(0.22, 0.06), (0.5, 0.05), (0.76, 0.05)], [(0.76, 0.05), (0.58, 0.26), (0.42, 0.42)], [(0.42, 0.42), (0.72, 0.5), (0.8, 0.74), (0.56, 0.96), (0.2, 0.9)]],
        [[(0.26, 0.08), (0.56, 0.02), (0.74, 0.2), (0.6, 0.42), (0.44, 0.46)], [(0.44, 0.46), (0.7, 0.52), (0.76, 0.76), (0.5, 0.98), (0.22, 0.92)]],
    ],
    4: [
        [[(0.28, 0.04), (0.24, 0.3), (0.2, 0.56)], [(0.2, 0.56), (0.5, 0.57), (0.84, 0.55)], [(0.66, 0.06), (0.65, 0.5), (0.64, 0.98)]],
        [[(0.62, 0.03), (0.4, 0.34), (0.16, 0.66)], [(0.16, 0.66), (0.5, 0.66), (0.86, 0.64)], [(0.62, 0.03), (0.62, 0.5), (0.62, 0.98)]],
        [[(0.22, 0.08), (0.24, 0.4), (0.4, 0.56), (0.7, 0.46)], [(0.74, 0.04), (0.72, 0.5), (0.7, 0.98)]],
    ],
    5: [
        [[(0.3, 0.05), (0.27, 0.24), (0.25, 0.44)], [(0.25, 0.44), (0.54, 0.38), (0.78, 0.58), (0.7, 0.86), (0.44, 0.98), (0.18, 0.88)], [(0.3, 0.05), (0.54, 0.05), (0.78, 0.04)]],
        [[(0.78, 0.04), (0.54, 0.05), (0.32, 0.06)], [(0.32, 0.06), (0.28, 0.26), (0.24, 0.46)], [(0.24, 0.46), (0.52, 0.4), (0.74, 0.6), (0.66, 0.88), (0.4, 0.97), (0.18, 0.9)]],
        [[(0.3, 0.1), (0.27, 0.28), (0.26, 0.46)], [(0.26, 0.46), (0.54, 0.42), (0.76, 0.62), (0.66, 0.9), (0.4, 0.97), (0.16, 0.9)], [(0.34, 0.04), (0.56, 0.03), (0.8, 0.02)]],
    ],
    6: [
        [[*_SIX, (0.36, 0.58), (0.22, 0.76)]],
        [[(0.6, 0.02), (0.36, 0.3), (0.24, 0.66), (0.34, 0.94), (0.6, 0.95), (0.74, 0.76), (0.62, 0.58), (0.4, 0.6), (0.25, 0.74)]],
        [[(0.46, 0.02), (0.3, 0.34), (0.24, 0.7), (0.4, 0.96), (0.66, 0.9), (0.7, 0.68), (0.5, 0.6), (0.28, 0.72)]],
    ],
    7: [
        [[(0.18, 0.06), (0.5, 0.05), (0.82, 0.05)], [(0.82, 0.05), (0.6, 0.48), (0.42, 0.98)]],
        [[(0.18, 0.06), (0.5, 0.05), (0.82, 0.05)], [(0.82, 0.05), (0.62, 0.48), (0.46, 0.98)], [(0.36, 0.5), (0.56, 0.49), (0.78, 0.48)]],
        [[(0.18, 0.18), (0.19, 0.12), (0.2, 0.06)], [(0.2, 0.06), (0.5, 0.06), (0.82, 0.05)], [(0.82, 0.05), (0.62, 0.42), (0.5, 0.98)]],
        [[(0.2, 0.08), (0.48, 0.04), (0.8, 0.08)], [(0.8, 0.08), (0.7, 0.46), (0.66, 0.98)]],
    ],
    8: [
        [[(0.72, 0.14), (0.5, 0.02), (0.28, 0.14), (0.36, 0.38), (0.64, 0.56), (0.76, 0.8), (0.5, 0.98), (0.24, 0.8), (0.36, 0.56), (0.66, 0.36), (0.72, 0.14)]],
        [[(0.5, 0.02), (0.28, 0.2), (0.48, 0.44), (0.72, 0.22), (0.5, 0.02)], [(0.48, 0.44), (0.22, 0.7), (0.5, 0.98), (0.78, 0.7), (0.5, 0.44)]],
        [[(0.66, 0.08), (0.4, 0.04), (0.3, 0.22), (0.52, 0.46), (0.74, 0.72), (0.56, 0.97), (0.28, 0.86), (0.4, 0.56), (0.68, 0.3), (0.64, 0.07)]],
    ],
    9: [
        [_NINE_LOOP, [(0.74, 0.2), (0.72, 0.6), (0.68, 0.98)]],
        [[(0.72, 0.2), (0.52, 0.03), (0.28, 0.14), (0.26, 0.36), (0.46, 0.48), (0.66, 0.36), (0.72, 0.2)], [(0.72, 0.18), (0.7, 0.6), (0.54, 0.92), (0.26, 0.94)]],
        [[(0.7, 0.1), (0.4, 0.03), (0.24, 0.26), (0.42, 0.46), (0.66, 0.34), (0.72, 0.1)], [(0.72, 0.1), (0.66, 0.54), (0.54, 0.98)]],
    ],
}  # fmt: skip
"""The digits as pen strokes, points that a curve passes through, x and y from 0 to 1, y downwards."""


def _curve(points: NDArray[np.float64], steps: int = 40) -> NDArray[np.float64]:
    """A Catmull-Rom spline through the points, (n, 2)."""
    around = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0, 1, steps)[:, None]
    parts = []
    for a, b, c, d in zip(around, around[1:], around[2:], around[3:], strict=False):
        parts.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate(parts)


def written(
    digit: int, random: np.random.Generator, side: int, height: float, width: float, rough: float = 0.0
) -> NDArray[np.float64]:
    """How much ink lies where, 0 to 1, (side, side).

    `height` of the digit and `width` of the pen are shares of the side; the place is where it fits. `rough` is chalk.
    """
    forms = FORMS[digit]
    strokes = forms[random.integers(len(forms))]
    angle, slant, aspect = random.normal(0, 0.06), random.normal(-0.12, 0.12), random.uniform(0.6, 0.95)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shape = turn @ np.array([[aspect, slant], [0, 1]])
    wobble = random.normal(0, 0.012, 2)
    curves = []
    for stroke in strokes:
        points = np.array(stroke) + wobble
        moved = points + random.normal(0, 0.016, points.shape)
        curves.append(_curve((moved - 0.5) @ shape.T))
    every = np.concatenate(curves)
    low, high = every.min(0), every.max(0)
    scale = height / max(high - low)
    room = 1 - (high - low) * scale - 2 * width
    place = random.uniform(0.1, 0.9, 2) * np.maximum(room, 0) + width - low * scale
    fine = 4 if side <= 300 else 2
    image = Image.new("L", (side * fine, side * fine), 0)
    draw = ImageDraw.Draw(image)
    for curve in curves:
        path = (curve * scale + place) * side * fine
        pressure = 1 + 0.15 * np.sin(np.linspace(random.uniform(0, 6), random.uniform(6, 9), len(path)))
        radii = np.maximum(width * side * fine * pressure / 2, 0.6)
        for (x, y), radius in zip(path, radii, strict=True):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
        for (x, y), (u, v), radius in zip(path, path[1:], radii, strict=False):
            draw.line((x, y, u, v), fill=255, width=max(1, round(2 * radius)))
    ink = np.asarray(image.resize((side, side), Image.Resampling.BOX), dtype=float) / 255
    return ink * (random.random((side, side)) > rough) if rough else ink


def _smooth(random: np.random.Generator, side: int, cells: int) -> NDArray[np.float64]:
    """Slow random waves of mean 0 and about ±1, (side, side)."""
    small = random.normal(0, 1, (cells, cells))
    image = Image.fromarray(small.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=float)


def _painted(
    ink: NDArray[np.float64], paper: NDArray[np.float64] | tuple[int, ...], color: tuple[int, ...]
) -> NDArray[np.float64]:
    """Ink of a colour over paper: (side, side, 3) from 0 to 255."""
    base = np.asarray(paper, dtype=float)
    if base.ndim == 1:
        base = np.broadcast_to(base, (*ink.shape, 3))
    return base * (1 - ink[..., None]) + np.array(color, dtype=float) * ink[..., None]


def _textured(random: np.random.Generator, side: int, color: tuple[int, ...]) -> NDArray[np.float64]:
    grain = _smooth(random, side, max(8, side // 4)) * 2 + _smooth(random, side, 12) * 3
    return np.clip(np.array(color, dtype=float) + grain[..., None], 0, 255)


def _light(random: np.random.Generator, side: int) -> NDArray[np.float64]:
    """A lamp to one side: brightness 0.5 to 1 over the image."""
    y, x = np.mgrid[0:side, 0:side] / side
    angle = random.uniform(0, 2 * np.pi)
    ramp = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
    return 0.8 + random.uniform(0.15, 0.35) * ramp


def _shadow(random: np.random.Generator, side: int) -> NDArray[np.float64]:
    """The shadow of a hand or of a phone: half a plane, its edge more or less soft."""
    y, x = np.mgrid[0:side, 0:side] / side
    angle, blur = random.uniform(0, 2 * np.pi), random.uniform(0.005, 0.08)
    distance = (x - random.uniform(0.3, 0.7)) * np.cos(angle) + (y - random.uniform(0.3, 0.7)) * np.sin(angle)
    return 1 - random.uniform(0.2, 0.45) / (1 + np.exp(-distance / blur))


def _photographed(
    pixels: NDArray[np.float64], random: np.random.Generator, noise: float = 5, blur: float = 0.7, quality: int = 80
) -> bytes:
    """Through a lens, a noisy sensor and JPEG."""
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(blur))
    noisy = np.asarray(image, dtype=float) + random.normal(0, noise, pixels.shape)
    return _saved(noisy, "JPEG", quality=quality)


def _saved(pixels: NDArray[np.float64], format: str, **options: object) -> bytes:
    file = BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).round().astype(np.uint8)).save(file, format, **options)
    return file.getvalue()


_PENS = [(20, 20, 30), (25, 35, 120), (30, 60, 170), (150, 25, 35), (15, 90, 50), (70, 70, 75)]


def _pen(random: np.random.Generator) -> tuple[int, ...]:
    return _PENS[random.integers(len(_PENS))]


def drawn_dark(digit: int, random: np.random.Generator) -> bytes:
    """In a drawing program, black on white."""
    side = int(random.choice([200, 280, 400, 800]))
    ink = written(digit, random, side, random.uniform(0.35, 0.85), random.uniform(0.015, 0.08))
    return _saved(_painted(ink, (255, 255, 255), (0, 0, 0)), "PNG")


def drawn_light(digit: int, random: np.random.Generator) -> bytes:
    """In a drawing program, light on dark."""
    side = int(random.choice([200, 280, 400, 800]))
    ink = written(digit, random, side, random.uniform(0.35, 0.85), random.uniform(0.015, 0.08))
    return _saved(_painted(ink, (0, 0, 0), (255, 255, 255)), "PNG")


def drawn_colored(digit: int, random: np.random.Generator) -> bytes:
    """One colour on another, as children choose them."""
    pairs = [
        ((255, 240, 120), (200, 30, 30)),
        ((20, 40, 120), (255, 220, 60)),
        ((120, 200, 120), (90, 20, 110)),
        ((250, 250, 250), (250, 190, 30)),
        ((240, 170, 190), (40, 80, 190)),
    ]
    paper, color = pairs[random.integers(len(pairs))]
    ink = written(digit, random, 320, random.uniform(0.4, 0.85), random.uniform(0.025, 0.08))
    return _saved(_painted(ink, paper, color), "JPEG", quality=85)


def thick_marker(digit: int, random: np.random.Generator) -> bytes:
    """A broad marker that nearly fills the image."""
    ink = written(digit, random, 600, random.uniform(0.65, 0.82), random.uniform(0.09, 0.13))
    return _photographed(_painted(ink, _textured(random, 600, (244, 242, 236)), _pen(random)), random)


def pen_on_paper(digit: int, random: np.random.Generator) -> bytes:
    """A ballpoint on paper, photographed in even light."""
    side = int(random.choice([600, 1000, 1600]))
    ink = written(digit, random, side, random.uniform(0.12, 0.5), random.uniform(0.006, 0.015))
    return _photographed(_painted(ink, _textured(random, side, (235, 232, 225)), _pen(random)), random)


def pencil(digit: int, random: np.random.Generator) -> bytes:
    """A soft pencil: grey, of little contrast, with gaps."""
    ink = written(digit, random, 800, random.uniform(0.25, 0.6), random.uniform(0.01, 0.02), rough=0.2)
    return _photographed(_painted(ink, _textured(random, 800, (228, 226, 220)), (120, 120, 122)), random, noise=4)


def in_uneven_light(digit: int, random: np.random.Generator) -> bytes:
    """A lamp to one side, and a shadow that may fall across the digit."""
    side = int(random.choice([700, 1200]))
    ink = written(digit, random, side, random.uniform(0.25, 0.6), random.uniform(0.01, 0.03))
    lit = _light(random, side) * _shadow(random, side)
    pixels = _painted(ink, _textured(random, side, (238, 234, 222)), _pen(random)) * lit[..., None]
    return _photographed(pixels, random, noise=6, quality=70)


def _ruled(random: np.random.Generator, side: int, *, squared: bool) -> NDArray[np.float64]:
    paper = _textured(random, side, (240, 239, 232))
    step, width, tilt = side / random.uniform(8, 20), max(1, side // 400), random.uniform(-0.025, 0.025)
    y, x = np.mgrid[0:side, 0:side].astype(float)
    lines = (y + tilt * x + random.uniform(0, step)) % step < width
    if squared:
        lines |= (x - tilt * y + random.uniform(0, step)) % step < width
    color = np.array([(150, 180, 215), (170, 170, 175), (205, 160, 165)][random.integers(3)], dtype=float)
    paper[lines] = color
    return paper


def on_ruled_paper(digit: int, random: np.random.Generator) -> bytes:
    """In a notebook with lines."""
    side = int(random.choice([600, 1000]))
    ink = written(digit, random, side, random.uniform(0.2, 0.55), random.uniform(0.009, 0.025))
    pixels = _painted(ink, _ruled(random, side, squared=False), _pen(random)) * _light(random, side)[..., None]
    return _photographed(pixels, random)


def on_squared_paper(digit: int, random: np.random.Generator) -> bytes:
    """In a notebook with squares."""
    side = int(random.choice([600, 1000]))
    ink = written(digit, random, side, random.uniform(0.2, 0.55), random.uniform(0.009, 0.025))
    pixels = _painted(ink, _ruled(random, side, squared=True), _pen(random)) * _light(random, side)[..., None]
    return _photographed(pixels, random)


def sheet_on_a_table(digit: int, random: np.random.Generator) -> bytes:
    """A turned sheet of paper, the table around it, in a lamp's light."""
    side = 1000
    ink = written(digit, random, side, random.uniform(0.3, 0.6), random.uniform(0.012, 0.03))
    sheet = Image.fromarray(_painted(ink, _textured(random, side, (240, 238, 230)), _pen(random)).astype(np.uint8))
    size = random.integers(600, 800)
    turned = sheet.resize((size, size), Image.Resampling.BICUBIC).convert("RGBA")
    turned = turned.rotate(random.uniform(-12, 12), Image.Resampling.BICUBIC, expand=True)
    woods = [(95, 62, 40), (60, 60, 64), (150, 110, 75), (35, 40, 50)]
    table = np.broadcast_to(np.array(woods[random.integers(4)], dtype=float), (side, side, 3))
    grain = _smooth(random, side, 60) * 5
    photo = Image.fromarray(np.clip(table + grain[..., None], 0, 255).astype(np.uint8))
    room = side - max(turned.size)
    photo.paste(turned, tuple(int(random.integers(-20, max(1, room + 20))) for _ in range(2)), turned)
    return _photographed(np.asarray(photo, dtype=float) * _light(random, side)[..., None], random)


def on_a_blackboard(digit: int, random: np.random.Generator) -> bytes:
    """Chalk on a board that was wiped before."""
    side = 900
    ink = written(digit, random, side, random.uniform(0.3, 0.7), random.uniform(0.015, 0.035), rough=0.3)
    board = np.array([(38, 70, 55), (40, 42, 46)][random.integers(2)], dtype=float)
    wiped = np.clip(board + (_smooth(random, side, 9) * 6 + _smooth(random, side, 90) * 4)[..., None], 0, 255)
    return _photographed(_painted(ink, wiped, (225, 225, 215)) * _light(random, side)[..., None], random, blur=1.2)


KINDS: tuple[Callable[[int, np.random.Generator], bytes], ...] = (
    drawn_dark,
    drawn_light,
    drawn_colored,
    thick_marker,
    pen_on_paper,
    pencil,
    in_uneven_light,
    on_ruled_paper,
    on_squared_paper,
    sheet_on_a_table,
    on_a_blackboard,
)
"""Each makes the bytes of an image file of a digit."""


@cache
def images(kind: int, count: int, seed: int = 0) -> tuple[tuple[int, bytes], ...]:
    """So many images of a kind, by digit; the same for the same seed."""
    random = np.random.default_rng((seed, kind))
    return tuple((number % 10, KINDS[kind](number % 10, random)) for number in range(count))
