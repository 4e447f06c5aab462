import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scv.data.splits import every_nth_of_each_class

LABELS = st.lists(st.integers(0, 5), max_size=200).map(lambda labels: np.array(labels, dtype=np.int64))


@given(LABELS, st.integers(2, 12))
def test_each_class_gives_its_share(labels: np.ndarray, n: int) -> None:
    chosen = every_nth_of_each_class(labels, n)

    for label in np.unique(labels):
        assert chosen[labels == label].sum() == (labels == label).sum() // n


@given(LABELS, st.integers(2, 12))
def test_it_is_the_nth_of_a_class_and_not_the_first(labels: np.ndarray, n: int) -> None:
    chosen = every_nth_of_each_class(labels, n)

    for label in np.unique(labels):
        ranks = np.flatnonzero(chosen[labels == label])
        assert (ranks % n == n - 1).all()


def test_no_images_give_an_empty_choice() -> None:
    assert every_nth_of_each_class(np.array([], dtype=np.int64), 10).shape == (0,)
