import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scv.data.splits import PROBES, every_nth_of_each_class, probes, split

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


@given(LABELS, st.integers(1, 100), st.integers(5, 50))
def test_every_class_gives_the_same_share_to_each_part(labels: np.ndarray, train: int, validation: int) -> None:
    parts = split(labels, train_percent=train, validation_percent=validation)

    assert not set(parts.train) & set(parts.validation)
    assert sorted(parts.train) == list(parts.train)
    assert sorted(parts.validation) == list(parts.validation)
    for label in np.unique(labels):
        images = int((labels == label).sum())
        held_out = max(images * validation // 100, min(images - 1, 1))
        assert (labels[parts.validation] == label).sum() == held_out
        assert (labels[parts.train] == label).sum() == -(-(images - held_out) * train // 100)


@given(LABELS)
def test_by_default_every_tenth_validates_and_all_others_train(labels: np.ndarray) -> None:
    labels = np.repeat(labels, 10)
    parts = split(labels)

    assert list(parts.validation) == list(np.flatnonzero(every_nth_of_each_class(labels, 10)))
    assert sorted([*parts.train, *parts.validation]) == list(range(len(labels)))


@pytest.mark.parametrize(("images", "held_out"), [(1, []), (2, [1]), (8, [7]), (9, [8]), (10, [9]), (21, [9, 19])])
def test_of_a_class_of_few_images_one_validates_if_one_is_left(images: int, held_out: list[int]) -> None:
    assert split(np.zeros(images, dtype=np.int64)).validation.tolist() == held_out


@given(LABELS, st.integers(1, 99))
def test_less_training_data_leaves_the_validation_as_it_is(labels: np.ndarray, percent: int) -> None:
    whole, part = split(labels), split(labels, train_percent=percent)

    assert list(part.validation) == list(whole.validation)
    assert set(part.train) <= set(whole.train)


@given(LABELS.filter(len), st.data(), st.integers(1, 100), st.integers(5, 50))
def test_what_a_dataset_has_for_validation_validates_whatever_the_share(
    labels: np.ndarray, data: st.DataObject, train: int, validation: int
) -> None:
    own = np.array(sorted(data.draw(st.sets(st.integers(0, len(labels) - 1), min_size=1))), dtype=np.int64)
    parts = split(labels, train_percent=train, validation_percent=validation, own=own)
    rest = np.setdiff1d(np.arange(len(labels)), own)

    assert parts.validation.tolist() == own.tolist()
    assert set(parts.train) <= set(rest)
    for label in np.unique(labels[rest]):
        assert (labels[parts.train] == label).sum() == -(-(labels[rest] == label).sum() * train // 100)


@pytest.mark.parametrize(("percent", "expected"), [(1, [0]), (10, [0]), (20, [0, 5]), (50, [0, 2, 4, 6, 8])])
def test_the_part_that_is_trained_on_lies_evenly_in_the_whole(percent: int, expected: list[int]) -> None:
    labels = np.zeros(10, dtype=np.int64)

    assert split(labels, train_percent=percent, validation_percent=5).train.tolist() == expected


@given(LABELS, st.integers(1, 120))
def test_probes_are_shared_out_among_the_classes_as_equally_as_they_can_be(labels: np.ndarray, count: int) -> None:
    chosen = probes(labels, count)

    assert len(chosen) == min(count, len(labels))
    assert sorted(set(chosen.tolist())) == chosen.tolist()
    there = {int(label): int((labels == label).sum()) for label in np.unique(labels)}
    given_by = {label: int((labels[chosen] == label).sum()) for label in there}
    for label, share in given_by.items():
        if share < there[label]:  # it could give more, so nobody gave more than one above it
            assert max(given_by.values()) <= share + 1


def test_the_probes_stay_the_same_for_ever() -> None:
    """Vectors that were made with other probes could not be compared."""
    labels = np.arange(10_000) % 10

    assert len(probes(labels)) == PROBES == 100
    assert probes(labels)[:8].tolist() == [23, 56, 317, 322, 476, 482, 537, 554]
