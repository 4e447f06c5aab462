from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from scv.training.diagnosis import Diagnosis, diagnose
from scv.training.progress import EpochMetrics
from scv.training.settings import FIELDS, TrainingSettings
from tests.blocks.generate import values

SHARE = st.floats(0, 1)
LOSS = st.floats(0, 1e6)
EPOCHS = st.lists(st.tuples(LOSS, SHARE, LOSS, SHARE), max_size=12)
SETTINGS = st.fixed_dictionaries({field.name: values(field) for field in FIELDS}).map(
    lambda chosen: TrainingSettings(**chosen)
)


def metrics(rows: list[tuple[float, float, float, float]]) -> list[EpochMetrics]:
    return [
        EpochMetrics(
            epoch=number,
            train_loss=row[0],
            train_accuracy=row[1],
            validation_loss=row[2],
            validation_accuracy=row[3],
            seconds=1.0,
            best=False,
        )
        for number, row in enumerate(rows, 1)
    ]


@given(EPOCHS, st.integers(2, 100), SETTINGS, st.booleans())
def test_any_figures_give_at_most_one_diagnosis_whose_change_can_be_made(
    rows: list[tuple[float, float, float, float]], classes: int, settings: TrainingSettings, finished: bool
) -> None:
    found = diagnose(metrics(rows), classes, settings, finished=finished)

    assert len(found) <= 1
    assert bool(found) or not rows or not finished
    for diagnosis in found:
        assert str(diagnosis.message)
        assert str(diagnosis.advice)
        changed = msgspec.structs.replace(settings, **diagnosis.change)
        assert changed.problems() == []
        assert not diagnosis.change or changed != settings


@given(EPOCHS, st.integers(2, 100), SETTINGS)
def test_a_running_training_is_not_told_to_train_longer_or_to_grow(
    rows: list[tuple[float, float, float, float]], classes: int, settings: TrainingSettings
) -> None:
    kinds = {diagnosis.kind for diagnosis in diagnose(metrics(rows), classes, settings, finished=False)}
    assert not kinds & {"unfinished", "underfitting"}


def only(rows: list[tuple[float, float, float, float]], settings: TrainingSettings) -> Diagnosis:
    (diagnosis,) = diagnose(metrics(rows), 10, settings, finished=True)
    return diagnosis


BY_HEART = [(1.0, 0.8, 1.1, 0.75), (0.3, 0.95, 0.9, 0.8), (0.01, 1.0, 1.3, 0.8)]


def test_advice_against_learning_by_heart_offers_what_is_not_done_yet() -> None:
    settings = TrainingSettings(train_percent=50)
    changes = []
    while change := only(BY_HEART, settings).change:
        changes.append(set(change))
        settings = msgspec.structs.replace(settings, **change)

    assert changes == [{"train_percent"}, {"shift"}, {"optimizer", "weight_decay"}]
    assert "Dropout" in str(only(BY_HEART, settings).advice)


def test_a_network_that_guesses_is_offered_lower_and_lower_rates() -> None:
    guesses = [(2.3, 0.1, 2.3, 0.1)] * 3
    rates = [1.0]
    for _ in range(3):
        rates.append(only(guesses, TrainingSettings(learning_rate=rates[-1])).change["learning_rate"])

    assert rates[1:] == [0.001, 0.0001, 0.001], "down, and back where that is too small"
    assert all(after != before for before, after in pairwise(rates))
