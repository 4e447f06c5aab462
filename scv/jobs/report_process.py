"""`python -m scv.jobs.report_process RUN_ID`: make the report of a run, or go on with it, in a process of its own.

It gives way to everything else: whoever trains or asks about a picture waits for an answer, a report is read later.
"""

import asyncio
import os
import sys
import traceback
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from scv.data.errors import DatasetMissingError
from scv.db.engine import Database
from scv.db.runs import result_of
from scv.db.tables import Run
from scv.files import Files, report_folder, weights_key
from scv.jobs.open_dataset import pictures_of
from scv.jobs.report_state import ReportStoppedError, ReportTeller, end_report
from scv.jobs.sandbox import limit_memory
from scv.message import Message, say
from scv.ml.device import own_cores
from scv.ml.errors import WeightsError
from scv.ml.report.report import ReportError, make_report
from scv.ml.trained import load_trained
from scv.settings import Settings

INTERNAL = say(
    "The report could not be made because of an error in the program. The interactive worker's log has the details."
)

NICENESS = 15

_SHARE_OF_CORES = 4
"""A report takes one core in so many, and always one."""


def main() -> int:
    os.nice(NICENESS)
    settings = Settings.from_environment().resolved()
    run_id = int(sys.argv[1])
    folder = Files(settings.data_dir / "files").path(report_folder(run_id))
    run = asyncio.run(_load(settings, run_id))
    if run is None or not folder.exists():  # deleted since
        return 0
    limit_memory(settings.memory_mb)
    failure = _report(settings, run, folder)
    end_report(folder, failure)
    return 1 if failure is not None else 0


def _report(settings: Settings, run: Run, folder: Path) -> Message | None:
    """Make it; returns why that failed."""
    try:
        trained = load_trained(Files(settings.data_dir / "files").path(weights_key(run.id)))
        make_report(
            trained,
            pictures_of(settings.data_dir, run.dataset),
            folder,
            result=result_of(run),
            on_section=ReportTeller(folder),
            threads=max(1, own_cores() // _SHARE_OF_CORES),
        )
    except ReportStoppedError:
        return None
    except (DatasetMissingError, ReportError, WeightsError) as error:
        return error.message
    except OSError as error:
        if not folder.exists():  # the run was deleted meanwhile
            return None
        traceback.print_exc()
        return say("The report could not be written: {why}.", why=error.strerror or type(error).__name__)
    except Exception:  # noqa: BLE001 - whatever it was, the user is told, and the log has it
        traceback.print_exc()
        return INTERNAL
    return None


async def _load(settings: Settings, run_id: int) -> Run | None:
    database = Database(settings.database_url)
    try:
        async with database.reading() as session:
            run: Run | None = await session.scalar(
                select(Run).where(Run.id == run_id).options(selectinload(Run.metrics))
            )
            return run
    finally:
        await database.close()


if __name__ == "__main__":
    sys.exit(main())
