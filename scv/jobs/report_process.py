"""`python -m scv.jobs.report_process`: make the report of a run, or the rest of it, in a process of its own.

It gives way to everything else: whoever trains or tries an image waits for an answer, a report is read later.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from scv.data.errors import DatasetMissingError
from scv.db.engine import Database
from scv.db.runs import result_of
from scv.db.tables import Run
from scv.files import Files, report_folder, weights_key
from scv.jobs.open_dataset import images_of
from scv.jobs.sandbox import claim, limit_memory
from scv.jobs.task_process import ProgressSender, TaskFailedError, TaskStoppedError, run
from scv.message import Message, say
from scv.ml.device import own_cores
from scv.ml.errors import WeightsError
from scv.ml.report.report import SECTIONS, ReportError, make_report
from scv.ml.trained import load_trained
from scv.settings import Settings
from scv.stage import Stage

NICENESS = 15

_SHARE_OF_CORES = 4
"""A report takes one core in so many, and always one."""

_TITLES = {section.name: Message(section.title) for section in SECTIONS}


def work(argument: str, on_progress: ProgressSender) -> None:
    """Make the report of the run with this id. Raises `TaskFailedError`."""
    os.nice(NICENESS)
    settings = Settings.from_environment().resolved()
    files = Files(settings.data_dir / "files")
    run_of_report = asyncio.run(_load(settings, int(argument)))
    if run_of_report is None:  # deleted since
        raise TaskStoppedError
    limit_memory(settings.memory_mb)
    folder = files.folder(report_folder(run_of_report.id))
    try:
        claim(folder)
        make_report(
            load_trained(files.path(weights_key(run_of_report.id))),
            images_of(settings.data_dir, run_of_report.dataset),
            folder,
            result=result_of(run_of_report),
            on_section=_on_section(folder, on_progress),
            threads=max(1, own_cores() // _SHARE_OF_CORES),
        )
    except (DatasetMissingError, ReportError, WeightsError) as error:
        raise TaskFailedError(error.message) from error
    except OSError as error:
        if not folder.exists():  # the run was deleted meanwhile
            raise TaskStoppedError from error
        why = error.strerror or type(error).__name__
        raise TaskFailedError(say("The report could not be written: {why}.", why=why)) from error


def _on_section(folder: Path, on_progress: ProgressSender) -> Callable[[str, float, float], None]:
    """How far a section and the whole are, as the worker is told."""

    def on_section(section: str, share: float, of_all: float) -> None:
        if not folder.exists():  # the run was deleted
            raise TaskStoppedError
        on_progress(Stage(_TITLES[section], round(1000 * share), 1000, "share"), of_all)

    return on_section


async def _load(settings: Settings, run_id: int) -> Run | None:
    database = Database(settings.database_url)
    try:
        async with database.reading() as session:
            found: Run | None = await session.scalar(
                select(Run).where(Run.id == run_id).options(selectinload(Run.metrics))
            )
            return found
    finally:
        await database.close()


if __name__ == "__main__":
    sys.exit(run(work))
