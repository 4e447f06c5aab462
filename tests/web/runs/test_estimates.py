"""What a training will need: in proportion to what was measured, and nothing where nothing was."""

from typing import Any

import msgspec
import pytest

from scv.blocks.check import check
from scv.blocks.document import Block, Document
from scv.data.official.catalogue import find
from scv.db.tables import EpochMetric, Run
from scv.training.settings import TrainingSettings
from scv.web.runs.estimates import Estimate, batch_memory, estimate_time, images_of
from tests.web.conftest import GOOD, Visitor, add_run, add_version, path_of

DIGITS = find("digits")
PLAIN = TrainingSettings()


def network(features: int) -> Document:
    return Document(blocks=(Block("flatten1", "Flatten"), Block("linear1", "Linear", {"out_features": features})))


def epoch(number: int, pace: float) -> EpochMetric:
    return EpochMetric(
        epoch=number,
        train_loss=1.0,
        train_accuracy=0.5,
        validation_loss=1.0,
        validation_accuracy=0.5,
        seconds=2.0,
        best=True,
        images_per_second=pace,
    )


def run_at(*paces: float, document: Document = GOOD, run_id: int = 1, status: str = "finished", **changes: Any) -> Run:
    settings = msgspec.structs.replace(PLAIN, **changes)
    metrics = [epoch(number, pace) for number, pace in enumerate(paces, 1)]
    return Run(id=run_id, status=status, document=document, settings=settings, metrics=metrics)


def estimate(*runs: Run, document: Document = GOOD, **changes: Any) -> Estimate | None:
    checked = check(document, DIGITS.shape, DIGITS.classes)
    settings = msgspec.structs.replace(PLAIN, **changes)
    return estimate_time(runs, checked, document, settings, DIGITS)


def seconds(*runs: Run, document: Document = GOOD, **changes: Any) -> float:
    found = estimate(*runs, document=document, **changes)
    assert found is not None
    return found.seconds


def test_the_time_is_images_by_the_measured_pace() -> None:
    """1,442 images of which 144 validate and 355 that test, each of those at a third of the cost."""
    found = estimate(run_at(100, 100), epochs=2)
    assert found is not None
    assert found.epoch == pytest.approx((1298 + 144 / 3) / 100)
    assert found.seconds == pytest.approx(2 * found.epoch + 355 / 3 / 100)


def test_epochs_of_different_pace_count_by_the_time_they_took() -> None:
    assert seconds(run_at(100, 300)) == pytest.approx(seconds(run_at(150, 150)))


def test_more_seeds_and_fewer_images_change_the_time_in_proportion() -> None:
    run = run_at(100)
    assert seconds(run, seeds=3) == pytest.approx(3 * seconds(run))
    half = estimate(run, train_percent=50)
    assert half is not None
    assert half.epoch == pytest.approx((649 + 48) / 100)


def test_a_network_of_twice_the_work_takes_twice_as_long() -> None:
    run = run_at(100, document=network(10))
    assert seconds(run, document=network(20)) == pytest.approx(2 * seconds(run, document=network(10)))


def test_the_newest_measured_run_counts() -> None:
    runs = [
        run_at(900, run_id=5, status="stopped"),
        run_at(run_id=4),
        run_at(0.0, run_id=3),  # recorded before there was this figure
        run_at(100, run_id=2),
        run_at(700, run_id=1),
    ]
    found = estimate(*runs)
    assert found is not None
    assert found.run_id == 2


@pytest.mark.parametrize("changes", [{"device": "cuda"}, {"precision": "bf16"}])
def test_another_device_or_precision_tells_nothing(changes: dict[str, Any]) -> None:
    assert estimate(run_at(100), **changes) is None
    assert estimate(run_at(100, **changes), **changes) is not None


def test_nothing_is_said_where_nothing_was_measured_or_can_be_read() -> None:
    assert estimate() is None
    strange = run_at(100)
    strange.document_json = "{"
    assert estimate(strange) is None
    strange = run_at(100)
    strange.settings_json = '{"of": "later"}'
    assert estimate(strange) is None


def test_as_many_epochs_fit_as_there_is_time_for_with_the_test() -> None:
    found = estimate(run_at(100), epochs=7)
    assert found is not None
    assert found.epochs_within(found.one + 1e-6) == 7
    assert found.epochs_within(found.one - 1e-6) == 6
    assert found.epochs_within(0) == 0


def test_images_are_parted_as_the_training_parts_them() -> None:
    assert images_of(PLAIN, DIGITS) == (1298, 144)
    assert images_of(TrainingSettings(validation_percent=50, train_percent=1), DIGITS) == (8, 721)
    own = msgspec.structs.replace(DIGITS, validation_size=442)
    assert images_of(TrainingSettings(validation_percent=50, train_percent=10), own) == (100, 442)


def test_the_memory_grows_with_the_batch_and_the_weights() -> None:
    checked = check(network(10), DIGITS.shape, DIGITS.classes)
    assert batch_memory(checked, 1) == 4 * (64 + 10) + 16 * 650
    assert batch_memory(checked, 3) - batch_memory(checked, 2) == 4 * (64 + 10)


async def test_the_editor_says_how_long_it_will_take_by_what_was_measured(owner: Visitor) -> None:
    version = await add_version(owner)
    page = (await owner.get(f"{path_of(version)}?pane=training")).text
    assert 'id="time"' not in page
    assert 'id="estimate"' not in page
    run = await add_run(owner, version, status="finished", test_accuracy=0.9)
    async with owner.database.writing() as session:
        metric = epoch(1, 100)
        metric.run_id = run.id
        session.add(metric)
    page = (await owner.get(f"{path_of(version)}?pane=training")).text
    # 3 epochs of 13.46 s each, and the test.
    assert "about 42 s" in page
    assert f"judging by run {run.id}" in page
