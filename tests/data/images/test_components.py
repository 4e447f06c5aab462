import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from scv.data.images.components import find_pieces


@given(arrays(np.uint8, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.integers(0, 1)))
def test_pieces_are_what_hangs_together_across_sides_and_corners(mask: np.ndarray) -> None:
    expected, count = ndimage.label(mask, np.ones((3, 3)))
    found = find_pieces(mask.astype(np.float32))

    assert len(found.pieces) == count
    pairs = {(int(a), int(b)) for a, b in zip(expected.ravel(), found.numbers.ravel(), strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    for piece in found.pieces:
        rows, columns = np.nonzero(found.numbers == piece.number)
        assert (piece.top, piece.bottom) == (rows.min(), rows.max() + 1)
        assert (piece.left, piece.right) == (columns.min(), columns.max() + 1)
        assert piece.ink == len(rows)


def test_the_piece_with_the_most_ink_is_first_and_knows_how_far_the_others_are() -> None:
    strength = np.zeros((20, 30), np.float32)
    strength[2:4, 2:4], strength[8:18, 5:9], strength[12, 25] = 0.5, 1.0, 0.25
    large, small, dot = find_pieces(strength, least=0.2).pieces

    assert (large.ink, small.ink, dot.ink) == (40, 2, 0.25)
    assert (large.darkest, small.darkest) == (1, 0.5)
    assert (large.gap(small), small.gap(large), large.gap(dot)) == (4, 4, 16)
    assert not large.at_edge
    assert [piece.ink for piece in find_pieces(strength).pieces] == [40, 2]
