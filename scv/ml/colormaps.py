"""Numbers as colours, and images that are large enough to be looked at.

Both colour maps are straight lines in OKLab (Ottosson 2020, "A perceptual color space for image processing"), in
which equal distances look equally different. They run from blue to yellow and from blue over grey to orange: pairs
that people with any of the common colour deficiencies tell apart, and the signed one is equally light at both ends.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scv.report.attribution import Legend

Lab = tuple[float, float, float]

SEQUENTIAL: tuple[Lab, ...] = ((0.25, -0.01, -0.09), (0.92, -0.02, 0.15))
"""From 0 to 1: dark blue to light yellow. Lightness, then green to red, then blue to yellow."""

SIGNED: tuple[Lab, ...] = ((0.62, -0.04, -0.15), (0.95, 0.0, 0.0), (0.62, 0.10, 0.11))
"""From −1 to 1: blue, light grey, orange."""

_STOPS = 9
_TILE = 84
"""Tiles are at least so many pixels wide or high: smaller ones show no detail to a person."""
_GREYS = (50, 160)
"""The image under a map is drawn between these greys, on which all the maps' colours stand out."""
_COVER = 0.6
"""How much a map of one sign covers the image; a signed one covers nothing where it is 0."""


def colours(values: NDArray[np.float64], stops: tuple[Lab, ...]) -> NDArray[np.uint8]:
    """Numbers from 0, the first stop, to 1, the last, of any shape, to sRGB (..., 3)."""
    places = np.linspace(0, 1, len(stops))
    lab = np.stack([np.interp(values, places, axis) for axis in np.array(stops).T], axis=-1)
    return (255 * np.clip(_rgb(lab), 0, 1)).round().astype(np.uint8)


def legend(stops: tuple[Lab, ...], low: float, high: float) -> Legend:
    """The colours of a map with the numbers at its ends."""
    row = colours(np.linspace(0, 1, _STOPS), stops)
    return Legend(colours=tuple(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in row), low=low, high=high)


def heat(values: NDArray[np.float64], pixels: NDArray[np.uint8], *, signed: bool) -> NDArray[np.uint8]:
    """A map (H', W') in colours over its image (C, H, W) in grey.

    Numbers are from 0 to 1, or −1 to 1 where `signed`. A coarser map is drawn smoothly between its cells. The result
    is uint8 (3, h, w), enlarged by a whole number.
    """
    size = _enlarged(pixels)
    image = Image.fromarray(_hwc(pixels)).convert("L").resize(size, Image.Resampling.NEAREST)
    grey = np.interp(np.asarray(image), (0, 255), _GREYS)
    fine = values.shape == pixels.shape[1:]
    way = Image.Resampling.NEAREST if fine else Image.Resampling.BILINEAR
    field = np.asarray(Image.fromarray(values.astype(np.float32)).resize(size, way), np.float64)
    shown = colours((field + 1) / 2 if signed else field, SIGNED if signed else SEQUENTIAL)
    share = np.sqrt(np.abs(field)).clip(0, 1)[..., None] if signed else _COVER
    over: NDArray[np.float64] = (1 - share) * grey[..., None] + share * shown
    return over.round().astype(np.uint8).transpose(2, 0, 1)


def enlarge(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image (C, H, W) as it is, (3, h, w), enlarged by a whole number so that single pixels can be seen."""
    image = Image.fromarray(_hwc(pixels)).convert("RGB")
    return np.asarray(image.resize(_enlarged(pixels), Image.Resampling.NEAREST)).transpose(2, 0, 1)


def unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Maps (B, H, W), each divided by its own largest amount; what is no number becomes 0, as does an empty map."""
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    largest = np.abs(finite).max(axis=(1, 2), keepdims=True)
    scaled: NDArray[np.float64] = np.divide(finite, largest, out=np.zeros_like(finite), where=largest > 0)
    return scaled


def _hwc(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))


def _enlarged(pixels: NDArray[np.uint8]) -> tuple[int, int]:
    _, height, width = pixels.shape
    times = max(1, -(-_TILE // max(height, width)))
    return times * width, times * height


def _rgb(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """OKLab (..., 3) to sRGB from 0 to 1; what sRGB cannot show lies outside."""
    cubes = (lab @ _LAB_TO_LMS.T) ** 3
    linear = cubes @ _LMS_TO_RGB.T
    positive = np.maximum(linear, 0)
    curved: NDArray[np.float64] = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * positive ** (1 / 2.4) - 0.055)
    return curved


_LAB_TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)
