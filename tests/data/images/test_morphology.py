import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from scv.data.images.morphology import around, closing, opening

GREY = arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@given(GREY, st.integers(1, 5))
def test_openings_and_closings_are_those_of_grey_morphology(values: np.ndarray, half: int) -> None:
    window = 2 * half + 1
    padded = np.pad(values, 3 * half, mode="edge")
    inside = (slice(3 * half, -3 * half), slice(3 * half, -3 * half))

    assert np.array_equal(opening(values, window), ndimage.grey_opening(padded, window)[inside])
    assert np.array_equal(closing(values, window), ndimage.grey_closing(padded, window)[inside])


@given(GREY, st.integers(1, 4))
def test_around_a_mask_is_all_that_is_near_to_it(values: np.ndarray, reach: int) -> None:
    mask = values > 200
    expected = ndimage.binary_dilation(mask, np.ones((2 * reach + 1, 2 * reach + 1)))
    assert np.array_equal(around(mask, reach), expected)
