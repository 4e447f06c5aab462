"""The time that is left follows from the pace since the work began."""

import pytest

from scv.jobs.pace import Pace


def told(*shares: tuple[float | None, float]) -> float | None:
    """What is left after these shares were heard of at these moments."""
    pace = Pace()
    return [pace.seconds_left(share, moment) for share, moment in shares][-1]


def test_the_rest_takes_as_long_as_what_was_done() -> None:
    assert told((0.0, 100), (0.25, 105)) == pytest.approx(15)
    assert told((0.2, 100), (0.6, 110)) == pytest.approx(10), "what was there before it began does not count"
    assert told((0.0, 100), (1.0, 105)) == 0


def test_nobody_can_tell_before_enough_was_done() -> None:
    assert told((0.0, 100), (0.9, 101)) is None
    assert told((0.2, 100), (0.21, 200)) is None
    assert told((0.0, 100), (None, 200)) is None


def test_another_stage_begins_anew() -> None:
    assert told((0.0, 100), (0.9, 200), (0.1, 300), (0.6, 310)) == pytest.approx(8)
    assert told((0.0, 100), (0.9, 200), (None, 250), (0.95, 300)) is None
