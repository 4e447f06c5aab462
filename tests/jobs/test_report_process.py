"""Reports of really trained runs are made by themselves, can be stopped and gone on with, and outlive their workers."""

import shutil
from collections.abc import Collection
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
from sqlalchemy.orm import joinedload

from scv.blocks.document import decode
from scv.db import tasks
from scv.db.engine import Database
from scv.db.models import delete_model
from scv.db.runs import request_report, result_of
from scv.db.tables import Run, User, Version
from scv.files import Files, report_folder, run_folder, weights_key
from scv.jobs.queue import Queue
from scv.ml.prepare_official import prepare
from scv.ml.report.report import SECTIONS, make_report
from scv.ml.train.train import WEIGHTS, train
from scv.ml.trained import load_trained
from scv.report.contents import decode_section, file_of
from scv.report.summary import Summary
from scv.settings import Settings
from scv.training.progress import Result
from scv.training.settings import TrainingSettings
from scv.web.reports.render_sections import planned_sections
from tests.jobs.conftest import (
    SMALL_NETWORK,
    StartWorker,
    add_run,
    task_of,
    until,
    until_ended,
    until_task_ended,
)
from tests.ml.reported import ruin

pytestmark = pytest.mark.engines("sqlite")


def folder_of(settings: Settings, run: Run) -> Path:
    return Files(settings.data_dir / "files").path(report_folder(run.id))


async def until_reported(database: Database, settings: Settings, run: Run) -> dict[str, str]:
    """The states of all sections once the work on them has ended."""
    await until_task_ended(database, "report", str(run.id))
    return {state.name: state.state for state in planned_sections(folder_of(settings, run))}


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
    settings: Settings, database: Database, *, dataset: str = "digits", kept: Collection[str] = ()
) -> Run:
    """A run that has finished, whose report is wanted; the sections `kept` of it are there."""
    made, result = reported()
    files = Files(settings.data_dir / "files")
    shutil.copytree(made / "datasets", settings.data_dir / "datasets", dirs_exist_ok=True)
    run = await add_run(database, epochs=1, dataset=dataset)
    async with database.writing() as session:
        row = await session.get_one(Run, run.id)
        row.status, row.weights, row.best_epoch = "finished", weights_key(run.id), result.best_epoch
        row.test_accuracy, row.test_loss, row.seconds = result.test_accuracy, result.test_loss, result.seconds
        await request_report(session, run.id)
    shutil.copy(made / WEIGHTS, files.folder(run_folder(run.id)))
    if kept:
        shutil.copytree(made / "report", folder_of(settings, run))
        for section in {section.name for section in SECTIONS} - set(kept):
            (folder_of(settings, run) / file_of(section)).unlink()
    return run


async def test_a_run_that_finishes_gets_its_report_by_itself(
    settings: Settings, database: Database, queue: Queue, start_worker: StartWorker
) -> None:
    run = await add_run(database)
    await start_worker()
    await start_worker(queue="interactive")
    await queue.enqueue_training(run.id, 1)
    await until_ended(database, run)

    states = await until_reported(database, settings, run)
    assert set(states.values()) == {"done"}
    summary = decode_section((folder_of(settings, run) / file_of("summary")).read_bytes(), Summary)
    assert isinstance(summary, Summary)
    async with database.reading() as session:
        row = await session.get_one(Run, run.id)
    assert summary.provenance.test_accuracy == row.test_accuracy
    assert summary.provenance.training_device == row.device


async def test_a_report_whose_worker_was_killed_is_gone_on_with_by_the_next(
    settings: Settings, database: Database, start_worker: StartWorker
) -> None:
    run = await trained(settings, database)
    folder = folder_of(settings, run)
    worker = await start_worker(queue="interactive")

    async def begun() -> bool:
        return any(state.state == "done" for state in planned_sections(folder))

    await until(begun)
    await worker.kill()
    kept = {state.name for state in planned_sections(folder) if state.state == "done"} - {"summary"}
    before = {name: (folder / file_of(name)).stat().st_mtime_ns for name in kept}
    await start_worker(queue="interactive")
    assert set((await until_reported(database, settings, run)).values()) == {"done"}
    assert {name: (folder / file_of(name)).stat().st_mtime_ns for name in kept} == before


async def test_reports_that_are_wanted_together_are_made_one_after_the_other(
    settings: Settings, database: Database, start_worker: StartWorker
) -> None:
    kept = {section.name for section in SECTIONS} - {"layers", "labels"}
    first, second = [await trained(settings, database, kept=kept) for _ in range(2)]
    await start_worker(queue="interactive")
    assert set((await until_reported(database, settings, first)).values()) == {"done"}
    assert set((await until_reported(database, settings, second)).values()) == {"done"}
    (_, one_ended), (other_began, _) = sorted(spans(folder_of(settings, run)) for run in (first, second))
    assert one_ended <= other_began


def spans(folder: Path) -> tuple[int, int]:
    """When the first and the last section was written that was not kept."""
    return (folder / file_of("layers")).stat().st_mtime_ns, (folder / file_of("labels")).stat().st_mtime_ns


async def test_damaged_weights_deleted_images_and_answers_that_are_no_numbers_are_told(
    settings: Settings, database: Database, start_worker: StartWorker
) -> None:
    files = Files(settings.data_dir / "files")
    damaged = await trained(settings, database)
    gone = await trained(settings, database, dataset="own-9-1")
    weights = files.path(weights_key(damaged.id))
    weights.write_bytes(weights.read_bytes()[:100])
    diverged = await trained(settings, database)
    ruin(files.path(weights_key(diverged.id)))
    await start_worker(queue="interactive")
    for run, reason in ((damaged, "damaged"), (gone, "not on this machine"), (diverged, "smaller learning rate")):
        failed = await until_task_ended(database, "report", str(run.id))
        assert (failed.state, failed.attempt) == ("failed", 1)
        assert reason in str(failed.failure)
    assert planned_sections(folder_of(settings, diverged)) == ()


async def test_a_report_tells_its_sections_stops_when_that_is_wanted_and_goes_on_where_it_was(
    settings: Settings, database: Database, start_worker: StartWorker
) -> None:
    run = await trained(settings, database, kept={"layers", "metrics", "mistakes"})
    await start_worker(queue="interactive")

    async def at_a_section() -> bool:
        return (await task_of(database, "report", str(run.id))).stage is not None

    await until(at_a_section)
    task = await task_of(database, "report", str(run.id))
    stage = task.current_stage
    assert stage is not None
    assert (stage.unit, stage.message.template in {section.title for section in SECTIONS}) == ("share", True)
    assert task.fraction is not None
    async with database.writing() as session:
        await tasks.request_stop(session, task)
    assert (await until_task_ended(database, "report", str(run.id))).state == "stopped"
    states = {state.name: state.state for state in planned_sections(folder_of(settings, run))}
    assert states["layers"] == "done"
    assert set(states.values()) != {"done"}
    async with database.writing() as session:
        await request_report(session, run.id)
    assert set((await until_reported(database, settings, run)).values()) == {"done"}


async def test_a_report_ends_where_its_run_is_deleted_and_nothing_of_it_is_left(
    settings: Settings, database: Database, start_worker: StartWorker
) -> None:
    run = await trained(settings, database)
    await start_worker(queue="interactive")
    folder = folder_of(settings, run)

    async def begun() -> bool:
        return bool(planned_sections(folder))

    async def nothing_is_left() -> bool:
        return not folder.parent.exists()

    await until(begun)
    async with database.writing() as session:
        version = await session.get_one(Version, run.version_id, options=[joinedload(Version.model)])
        user = await session.get_one(User, version.model.user_id)
        await delete_model(session, user, version.model_id)
    await until(nothing_is_left)


def test_only_a_finished_run_has_a_result() -> None:
    assert result_of(Run(status="stopped", best_epoch=1, metrics=[])) is None
