"""The figures that the page's script draws."""

from dataclasses import replace

import msgspec
import pytest

from scv.data.official.catalogue import DATASETS
from scv.db.base import now
from scv.db.tables import EpochMetric
from scv.training.progress import EpochMetrics, Progress
from scv.training.settings import TrainingSettings
from scv.web.runs.live import LiveRun, live_run
from scv.web.runs.plots import SERIES, diagnoses, plot_data
from tests.web.conftest import Visitor, add_run, add_version
from tests.web.runs.test_pages import waiting


def epoch(number: int, accuracy: float = 0.5) -> EpochMetrics:
    return EpochMetrics(
        epoch=number,
        train_loss=1.0 / number,
        train_accuracy=accuracy,
        validation_loss=2.0 / number,
        validation_accuracy=accuracy - 0.25,
        seconds=0.5,
        best=True,
        learning_rate=0.001 * number,
        images_per_second=1000.0 + number,
    )


def amid(number: int, step: int) -> Progress:
    return Progress(
        epoch=number,
        step=step,
        steps=8,
        train_loss=0.25,
        train_accuracy=0.875,
        images_per_second=2345.0,
        seconds_left=3.0,
        done=0.5,
        learning_rate=0.01,
    )


def live(*metrics: EpochMetrics, progress: Progress | None = None, ended: bool = False) -> LiveRun:
    run = live_run(waiting(), 4)
    return replace(run, metrics=metrics, progress=progress, ended=ended, done=1.0 if ended else 0.5)


def read(text: str) -> dict[str, list[float | None]]:
    drawn: dict[str, list[float | None]] = msgspec.json.decode(text)
    return drawn


def test_every_epoch_is_a_point_of_every_series() -> None:
    drawn = read(plot_data(live(epoch(1), epoch(2))))
    assert drawn["x"] == [1.0, 2.0]
    assert drawn["epochs"] == 4
    assert drawn["train_loss"] == [1.0, 0.5]
    assert drawn["validation_loss"] == [2.0, 1.0]
    assert drawn["train_accuracy"] == [0.5, 0.5]
    assert drawn["validation_accuracy"] == [0.25, 0.25]
    assert drawn["learning_rate"] == [0.001, 0.002]
    assert drawn["images_per_second"] == [1001.0, 1002.0]
    assert drawn["others"] == []


def test_before_the_first_epoch_there_is_nothing_to_draw() -> None:
    drawn = read(plot_data(live()))
    assert [drawn[name] for name in ("x", *SERIES)] == [[]] * (1 + len(SERIES))


def test_an_epoch_that_goes_on_is_a_last_point_without_validation() -> None:
    drawn = read(plot_data(live(epoch(1), epoch(2), progress=amid(3, 2))))
    assert drawn["x"] == [1.0, 2.0, 2.25]
    assert (drawn["train_loss"][-1], drawn["train_accuracy"][-1]) == (0.25, 0.875)
    assert (drawn["learning_rate"][-1], drawn["images_per_second"][-1]) == (0.01, 2345.0)
    assert drawn["validation_loss"][-1] is None
    assert drawn["validation_accuracy"][-1] is None
    assert {len(drawn[name]) for name in ("x", *SERIES)} == {3}


def test_an_epoch_that_was_recorded_counts_before_what_was_said_while_it_went_on() -> None:
    drawn = read(plot_data(live(epoch(1), epoch(2), progress=amid(2, 7))))
    assert drawn["x"] == [1.0, 2.0]


def test_the_last_step_of_an_epoch_comes_where_the_epoch_will_stand() -> None:
    assert read(plot_data(live(epoch(1), progress=amid(2, 8))))["x"] == [1.0, 2.0]


def test_other_runs_of_a_series_are_drawn_too_however_far_they_are() -> None:
    assert read(plot_data(live(epoch(1)), [[0.5, 0.75], []]))["others"] == [[0.5, 0.75], []]


def test_a_loss_that_is_no_number_is_a_gap() -> None:
    broken = msgspec.structs.replace(epoch(1), train_loss=float("inf"), validation_loss=float("nan"))
    drawn = read(plot_data(live(broken)))
    assert (drawn["train_loss"], drawn["validation_loss"]) == ([None], [None])


@pytest.mark.parametrize(("ended", "kinds"), [(False, []), (True, ["stuck"])])
def test_the_end_is_judged_sooner_than_a_training_that_goes_on(ended: bool, kinds: list[str]) -> None:
    told = diagnoses(live(epoch(1, 0.1), epoch(2, 0.1), ended=ended), TrainingSettings(epochs=4), DATASETS["digits"])
    assert [diagnosis.kind for diagnosis in told] == kinds


async def test_all_that_is_drawn_stands_in_the_table_too(owner: Visitor) -> None:
    figures = {
        "train_loss": 1.234,
        "train_accuracy": 0.511,
        "validation_loss": 0.987,
        "validation_accuracy": 0.622,
        "learning_rate": 0.00125,
        "images_per_second": 12345.6,
    }
    assert set(figures) == set(SERIES)
    run = await add_run(owner, await add_version(owner), status="stopped", started_at=now())
    async with owner.database.writing() as session:
        session.add(EpochMetric(run_id=run.id, epoch=1, seconds=0.5, best=True, **figures))
    page = (await owner.get(f"/runs/{run.id}")).text
    table = page[page.index('<table class="figures">') :]
    for shown in ("1.234", "51.1%", "0.987", "62.2%", "0.001250", "12,346"):
        assert f"<td>{shown}</td>" in table
