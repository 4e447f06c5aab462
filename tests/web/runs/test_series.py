"""Runs of one network from several seeds, together."""

from typing import Any

import msgspec
import pytest

from scv.db.base import now
from scv.db.tables import EpochMetric, Run, User
from scv.training.settings import TrainingSettings
from scv.web.runs.series import accuracies_of, series_of
from tests.web.conftest import Visitor, add_run, add_version
from tests.web.runs.test_controls import load, path


def run_of(number: int, reached: float | None = None, **columns: Any) -> Run:
    settings = TrainingSettings(seed=10 + number)
    status = "queued" if reached is None else "finished"
    return Run(**{"id": number, "settings": settings, "status": status, "test_accuracy": reached} | columns)


def test_a_run_that_stands_alone_is_no_series() -> None:
    assert series_of([]) is None


def test_mean_and_spread_are_those_of_the_finished_runs() -> None:
    series = series_of([run_of(1, 0.9), run_of(2, 0.92), run_of(3, 0.97), run_of(4)])
    assert series is not None
    assert [one.seed for one in series.runs] == [11, 12, 13, 14]
    assert (series.finished, series.active) == (3, True)
    assert series.mean == pytest.approx(0.93)
    # The sample standard deviation: sqrt((0.03² + 0.01² + 0.04²) / 2).
    assert series.spread == pytest.approx(0.0013**0.5)


def test_one_finished_run_has_no_spread_and_none_has_no_mean() -> None:
    one = series_of([run_of(1, 0.9), run_of(2, status="failed")])
    none = series_of([run_of(1, status="stopped"), run_of(2, status="failed")])
    assert one is not None
    assert none is not None
    assert (one.mean, one.spread, one.active) == (0.9, None, False)
    assert (none.mean, none.spread, none.finished) == (None, None, 0)


def test_the_curves_of_the_others_are_in_the_order_of_the_runs() -> None:
    def learned(number: int, *accuracies: float) -> Run:
        metrics = [EpochMetric(epoch=epoch, validation_accuracy=one) for epoch, one in enumerate(accuracies, 1)]
        return run_of(number, metrics=metrics)

    runs = [learned(1, 0.5, 0.6), learned(2, 0.7), learned(3)]
    assert accuracies_of(runs[1], runs) == [[0.5, 0.6], []]


async def add_series(visitor: Visitor, count: int = 3, user: User | None = None, **columns: Any) -> list[Run]:
    version = await add_version(visitor, user=user)
    runs = [await add_run(visitor, version, **columns) for _ in range(count)]
    async with visitor.database.writing() as session:
        for number, run in enumerate(runs):
            row = await session.get_one(Run, run.id)
            row.series = runs[0].id
            row.settings = msgspec.json.encode(TrainingSettings(seed=number)).decode()
    return runs


async def states(visitor: Visitor, runs: list[Run]) -> list[tuple[str, bool]]:
    return [(one.status, one.stop_requested) for one in [await load(visitor, run.id) for run in runs]]


async def test_one_press_of_run_queues_a_run_for_each_seed(owner: Visitor) -> None:
    version = await add_version(owner)
    await owner.operate(version, setting__seeds="3", setting__seed="5")
    answer = await owner.post(f"{path(version)}/runs", {"revision": version.revision + 1})
    assert answer.url.path == "/runs/1"
    assert "The same from 3 seeds" in answer.text
    made = [await load(owner, number) for number in (1, 2, 3)]
    assert [run.series for run in made] == [1, 1, 1]
    assert [(run.settings.seed, run.settings.seeds) for run in made] == [(5, 1), (6, 1), (7, 1)]


async def test_the_page_shows_the_series_with_its_mean(owner: Visitor) -> None:
    results = {"test_loss": 0.1, "best_epoch": 1, "seconds": 1.0, "parameters": 9, "status": "finished"}
    runs = await add_series(owner, 2, test_accuracy=0.9, **results)
    async with owner.database.writing() as session:
        (await session.get_one(Run, runs[1].id)).test_accuracy = 0.96
    page = (await owner.get(f"/runs/{runs[0].id}")).text
    assert "The same from 2 seeds" in page
    assert "93.00%" in page
    assert "± 4.24%" in page
    assert "stop-series" not in page


async def test_one_press_stops_those_that_wait_and_asks_those_that_train(owner: Visitor) -> None:
    runs = await add_series(owner)
    async with owner.database.writing() as session:
        first, last = await session.get_one(Run, runs[0].id), await session.get_one(Run, runs[2].id)
        first.status, first.started_at = "running", now()
        last.status, last.test_accuracy = "finished", 0.9
    assert "stop-series" in (await owner.get(f"/runs/{runs[1].id}")).text
    answer = await owner.post(f"/runs/{runs[1].id}/stop-series", {})
    assert answer.url.path == f"/runs/{runs[1].id}"
    assert await states(owner, runs) == [("running", True), ("stopped", True), ("finished", False)]


async def test_nobody_stops_the_series_of_somebody_else(owner: Visitor) -> None:
    async with owner.database.writing() as session:
        eve = User(name="Eve")
        session.add(eve)
    runs = await add_series(owner, user=eve)
    assert (await owner.post(f"/runs/{runs[0].id}/stop-series", {})).status_code == 404
    assert await states(owner, runs) == [("queued", False)] * 3


async def test_a_stranger_stops_no_series(owner: Visitor) -> None:
    runs = await add_series(owner)
    owner.client.cookies.clear()
    await owner.post(f"/runs/{runs[0].id}/stop-series", {})
    assert await states(owner, runs) == [("queued", False)] * 3


async def test_stopping_one_series_leaves_the_runs_beside_it(owner: Visitor) -> None:
    runs = await add_series(owner)
    alone = await add_run(owner, await add_version(owner))
    other = await add_series(owner)
    await owner.post(f"/runs/{runs[0].id}/stop-series", {})
    assert await states(owner, [alone, *other]) == [("queued", False)] * 4
