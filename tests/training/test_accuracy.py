import pytest

from scv.training.accuracy import Accuracy, compare, interval


def test_the_interval_is_wilsons() -> None:
    assert interval(0.95, 10_000) == pytest.approx((0.94555, 0.95410), abs=1e-5)
    assert interval(1, 10) == pytest.approx((0.72247, 1.0), abs=1e-5)
    assert interval(0, 10) == pytest.approx((0.0, 0.27753), abs=1e-5)


@pytest.mark.parametrize(
    ("validation", "test", "found"),
    [
        ((1.0, 6), (8 / 9, 18), "equal"),
        ((1.0, 140), (0.975, 360), "equal"),
        ((1.0, 140), (0.889, 360), "lower"),
        ((0.99, 6000), (0.975, 10_000), "lower"),
        ((0.99, 6000), (0.985, 10_000), "equal"),
        ((0.75, 140), (0.9, 360), "higher"),
        ((0.0, 6), (0.0, 18), "equal"),
    ],
)
def test_accuracies_differ_where_chance_does_not_explain_it(
    validation: tuple[float, int], test: tuple[float, int], found: str
) -> None:
    assert compare(Accuracy(*validation), Accuracy(*test)) == found


def test_the_interval_of_a_difference_is_newcombes() -> None:
    """Of the examples of his table II (1998) the first three intervals are above 0, and the last one holds it."""
    assert compare(Accuracy(48 / 80, 80), Accuracy(56 / 70, 70)) == "higher"
    assert compare(Accuracy(9 / 10, 10), Accuracy(3 / 10, 10)) == "lower"
    assert compare(Accuracy(6 / 7, 7), Accuracy(2 / 7, 7)) == "lower"
    assert compare(Accuracy(5 / 56, 56), Accuracy(0.0, 29)) == "equal"


def test_few_images_tell_little() -> None:
    assert Accuracy(1.0, 6).is_uncertain
    assert not Accuracy(0.96, 355).is_uncertain
