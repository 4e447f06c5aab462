from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scv.ml.colormaps import SEQUENTIAL, SIGNED, Lab, colours, enlarge, heat, legend, unit
from scv.ml.sprites import write_sprite

MAPS = pytest.mark.parametrize("stops", [SEQUENTIAL, SIGNED])


def oklab(rgb: np.ndarray) -> np.ndarray:
    """sRGB 0 to 255 (N, 3) to OKLab, by the published matrices, which paint.py uses the other way round."""
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    to_lms = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    to_lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return np.cbrt(linear @ np.array(to_lms).T) @ np.array(to_lab).T


@MAPS
def test_equal_steps_look_equally_different(stops: tuple[Lab, ...]) -> None:
    lab = oklab(colours(np.linspace(0, 1, 17), stops).astype(float))
    steps = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    halves = [steps] if len(stops) == 2 else [steps[:8], steps[8:]]
    for half in halves:
        assert half.max() / half.min() < 1.15, "what sRGB cannot show would be cut off"


def test_the_ends_of_the_signed_map_are_as_light_as_each_other_and_differ_in_blue() -> None:
    low, middle, high = oklab(colours(np.array([0, 0.5, 1]), SIGNED).astype(float))
    assert abs(low[0] - high[0]) < 0.01
    assert middle[0] > low[0] + 0.3
    # With any of the common deficiencies of colour vision this difference is seen; that of red and green is not.
    assert high[2] - low[2] > 0.2


def test_the_map_of_one_sign_becomes_lighter_all_the_way() -> None:
    lightness = oklab(colours(np.linspace(0, 1, 50), SEQUENTIAL).astype(float))[:, 0]
    assert (np.diff(lightness) > 0).all()


def test_the_legend_shows_the_maps_colours() -> None:
    made = legend(SIGNED, -1, 1)
    ends = [tuple(bytes.fromhex(made.colours[place][1:])) for place in (0, -1)]
    assert ends == [tuple(colour) for colour in colours(np.array([0, 1]), SIGNED)]
    assert (made.low, made.high) == (-1, 1)


def test_each_map_is_scaled_by_its_own_largest_amount() -> None:
    values = np.array([[[0.0, -4.0]], [[0.5, 0.25]], [[0.0, 0.0]], [[np.nan, np.inf]]])
    assert unit(values).tolist() == [[[0, -1]], [[1, 0.5]], [[0, 0]], [[0, 0]]]


def test_where_a_signed_map_is_zero_the_image_stays_grey() -> None:
    image = np.array([[[0, 255], [100, 0]]], np.uint8).repeat(3, 0)
    shown = heat(np.array([[0.0, 0.0], [1.0, -1.0]]), image, signed=True)
    corners = shown[:, 0, 0], shown[:, 0, -1], shown[:, -1, 0], shown[:, -1, -1]
    assert [len(set(corner.tolist())) == 1 for corner in corners] == [True, True, False, False]
    assert corners[2][0] > corners[2][2], "orange speaks for it"
    assert corners[3][0] < corners[3][2], "blue speaks against it"


def test_small_images_are_enlarged_by_whole_numbers_and_large_ones_left() -> None:
    small = enlarge(np.arange(64, dtype=np.uint8).reshape(1, 8, 8))
    assert small.shape == (3, 88, 88)
    assert (small[:, :11, :11] == 0).all()
    assert enlarge(np.zeros((3, 224, 200), np.uint8)).shape == (3, 224, 200)


def test_tiles_lie_where_the_struct_says(tmp_path: Path) -> None:
    images = [np.full((3, 5, 4), shade, np.uint8) for shade in (10, 20, 30, 40, 50)]
    tiles = write_sprite(tmp_path, "plate", np.stack(images), columns=2)
    with Image.open(tmp_path / "plate.png") as image:
        plate = np.asarray(image)
    assert (tiles.width, tiles.height, tiles.columns, tiles.count) == (4, 5, 2, 5)
    for number, tile in enumerate(images):
        top, left = number // 2 * 5, number % 2 * 4
        assert (plate[top : top + 5, left : left + 4] == tile.transpose(1, 2, 0)).all()
