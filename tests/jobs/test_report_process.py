"""Reports of really trained runs are made by themselves, can be stopped and gone on with, and outlive their workers."""

import shutil
from collections.abc import Collection
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from scv.blocks.document import decode
from scv.db.engine import Database
from scv.db.tables import Run
from scv.files import Files, report_folder, run_folder, weights_key
from scv.jobs.queue import Queue
from scv.jobs.report_process import result_of
from scv.jobs.report_state import (
    ReportStoppedError,
    ReportTeller,
    ReportUnderway,
    ask_for_report,
    ask_to_stop_report,
    end_report,
    report_failure,
    report_stopped,
    report_underway,
)
from scv.message import Message
from scv.ml.prepare_official import prepare
from scv.ml.report.report import SECTIONS, make_report
from scv.ml.train.train import WEIGHTS, train
from scv.ml.trained import load_trained
from scv.report.contents import decode_section, file_of
from scv.report.summary import Summary
from scv.settings import Settings
from scv.training.progress import Result
from scv.training.settings import TrainingSettings
from scv.web.reports.parts import states_of
from tests.jobs.conftest import SMALL_NETWORK, StartWorker, add_run, until, until_ended
from tests.ml.reporting import ruin

pytestmark = pytest.mark.engines("sqlite")


def folder_of(settings: Settings, run: Run) -> Path:
    return Files(settings.data_dir / "files").path(report_folder(run.id))


async def until_reported(settings: Settings, run: Run) -> dict[str, str]:
    """The states of all sections once the work on them has ended."""
    folder = folder_of(settings, run)

    async def ended() -> bool:
        states = states_of(folder)
        return report_failure(folder) is not None or (bool(states) and report_underway(folder) is None)

    await until(ended, 120)
    return {state.name: state.state for state in states_of(folder)}


@cache
def reported() -> tuple[Path, Result]:
    """A data folder with Digits, weights that were trained on it and their report; made once for all tests."""
    folder = Path(mkdtemp(prefix="scv-tests-"))
    digits = prepare(folder, "digits")
    result = train(
        decode(SMALL_NETWORK),
        TrainingSettings(epochs=1, batch_size=16),
        digits,
        folder=folder,
        device="cpu",
        emit=lambda event: None,
        should_stop=lambda: False,
    )
    assert isinstance(result, Result)
    make_report(load_trained(folder / WEIGHTS), digits, folder / "report", threads=1)
    return folder, result


async def trained(
    settings: Settings, database: Database, queue: Queue, *, dataset: str = "digits", kept: Collection[str] = ()
) -> Run:
    """A run that has finished, whose report is asked for; the sections `kept` of it are there."""
    made, result = reported()
    files = Files(settings.data_dir / "files")
    shutil.copytree(made / "datasets", settings.data_dir / "datasets", dirs_exist_ok=True)
    run = await add_run(database, epochs=1, dataset=dataset)
    async with database.writing() as session:
        row = await session.get_one(Run, run.id)
        row.status, row.weights, row.best_epoch = "finished", weights_key(run.id), result.best_epoch
        row.test_accuracy, row.test_loss, row.seconds = result.test_accuracy, result.test_loss, result.seconds
    shutil.copy(made / WEIGHTS, files.folder(run_folder(run.id)))
    if kept:
        shutil.copytree(made / "report", folder_of(settings, run))
        for section in {section.name for section in SECTIONS} - set(kept):
            (folder_of(settings, run) / file_of(section)).unlink()
    ask_for_report(folder_of(settings, run))
    await queue.enqueue_report(run.id)
    return run


@pytest.mark.engines("sqlite", "postgresql")
async def test_a_run_that_finishes_gets_its_report_by_itself(
    settings: Settings, database: Database, queue: Queue, start_worker: StartWorker
) -> None:
    run = await add_run(database)
    await start_worker()
    await start_worker(queue="interactive")
    await queue.enqueue_training(run.id, 1)
    await until_ended(database, run)

    states = await until_reported(settings, run)
    assert set(states.values()) == {"done"}
    summary = decode_section((folder_of(settings, run) / file_of("summary")).read_bytes(), Summary)
    assert isinstance(summary, Summary)
    async with database.reading() as session:
        row = await session.get_one(Run, run.id)
    assert summary.provenance.test_accuracy == row.test_accuracy
    assert summary.provenance.training_device == row.device


async def test_a_report_whose_worker_was_killed_is_gone_on_with_when_it_is_asked_for_again(
    settings: Settings, database: Database, queue: Queue, start_worker: StartWorker
) -> None:
    run = await trained(settings, database, queue)
    folder = folder_of(settings, run)
    worker = await start_worker(queue="interactive")

    async def begun() -> bool:
        return any(state.state == "done" for state in states_of(folder))

    await until(begun)
    await worker.kill()
    assert report_underway(folder) is not None
    kept = {state.name for state in states_of(folder) if state.state == "done"} - {"summary"}
    before = {name: (folder / file_of(name)).stat().st_mtime_ns for name in kept}
    await start_worker(queue="interactive")
    await queue.enqueue_report(run.id)  # as whoever looks at it does
    assert set((await until_reported(settings, run)).values()) == {"done"}
    assert {name: (folder / file_of(name)).stat().st_mtime_ns for name in kept} == before


async def test_reports_that_are_asked_for_together_are_made_one_after_the_other(
    settings: Settings, database: Database, queue: Queue, start_worker: StartWorker
) -> None:
    kept = {section.name for section in SECTIONS} - {"layers", "labels"}
    first, second = [await trained(settings, database, queue, kept=kept) for _ in range(2)]
    worker = await start_worker(queue="interactive")
    assert set((await until_reported(settings, first)).values()) == {"done"}
    assert set((await until_reported(settings, second)).values()) == {"done"}

    async def both_told() -> bool:
        return worker.log.read_text().count("ended with status 0") == 2

    await until(both_told)
    (_, one_ended), (other_began, _) = sorted(spans(folder_of(settings, run)) for run in (first, second))
    assert one_ended <= other_began


def spans(folder: Path) -> tuple[int, int]:
    """When the first and the last section was written that was not kept."""
    return (folder / file_of("layers")).stat().st_mtime_ns, (folder / file_of("labels")).stat().st_mtime_ns


async def test_damaged_weights_deleted_pictures_and_answers_that_are_no_numbers_are_told(
    settings: Settings, database: Database, queue: Queue, start_worker: StartWorker
) -> None:
    damaged = await trained(settings, database, queue)
    gone = await trained(settings, database, queue, dataset="own-9-1")
    weights = Files(settings.data_dir / "files").path(weights_key(damaged.id))
    weights.write_bytes(weights.read_bytes()[:100])
    diverged = await trained(settings, database, queue)
    ruin(Files(settings.data_dir / "files").path(weights_key(diverged.id)))
    await start_worker(queue="interactive")
    await until_reported(settings, damaged)
    await until_reported(settings, gone)
    await until_reported(settings, diverged)
    assert "smaller learning rate" in str(report_failure(folder_of(settings, diverged)))
    assert states_of(folder_of(settings, diverged)) == ()
    assert "damaged" in str(report_failure(folder_of(settings, damaged)))
    assert "not on this machine" in str(report_failure(folder_of(settings, gone)))


def test_what_is_told_can_be_read_and_a_wish_to_stop_is_heard_at_the_next_word(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    assert report_underway(folder) is None
    ask_for_report(folder)
    assert report_underway(folder) == ReportUnderway()
    on_progress = ReportTeller(folder)
    on_progress("layers", 0.5, 0.25)
    said = report_underway(folder)
    assert said is not None
    assert (said.section, said.share, said.of_all) == ("layers", 0.5, 0.25)
    ask_to_stop_report(folder)
    assert report_stopped(folder)
    with pytest.raises(ReportStoppedError):
        on_progress("layers", 0.6, 0.3)
    ask_for_report(folder)
    assert not report_stopped(folder)
    on_progress("layers", 1.0, 0.4)
    end_report(folder, Message("It broke"))
    assert report_underway(folder) is None
    assert str(report_failure(folder)) == "It broke"


def test_a_report_ends_where_its_run_is_deleted(tmp_path: Path) -> None:
    ask_for_report(tmp_path / "report")
    on_progress = ReportTeller(tmp_path / "report")
    shutil.rmtree(tmp_path / "report")
    with pytest.raises(ReportStoppedError):
        on_progress("layers", 0.1, 0.1)
    end_report(tmp_path / "report", Message("It broke"))
    assert not (tmp_path / "report").exists()


def test_the_time_left_follows_from_the_pace_since_it_began() -> None:
    assert ReportUnderway("layers", 0.5, 0.6, began=100, before=0.2, written=110).seconds_left == pytest.approx(10)
    assert ReportUnderway("layers", 0.5, 0.2, began=100, before=0.2, written=110).seconds_left is None
    assert ReportUnderway("layers", 0.5, 0.9, began=100, before=0.2, written=101).seconds_left is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'{"section": 3}'])
def test_a_torn_file_tells_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "underway.json").write_bytes(content)
    (tmp_path / "failure.json").write_bytes(content)
    assert report_underway(tmp_path) is None
    assert report_failure(tmp_path) is None


def test_only_a_finished_run_has_a_result() -> None:
    assert result_of(Run(status="stopped", best_epoch=1, metrics=[])) is None
