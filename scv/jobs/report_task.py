"""The report of a run, from a worker's side. The subject is the run's id."""

from scv.db import leases
from scv.db.engine import Database
from scv.db.tables import Task
from scv.files import Files, run_folder
from scv.jobs.task_kind import TaskKind
from scv.jobs.task_protocol import Ending
from scv.message import say
from scv.settings import Settings


class ReportTask(TaskKind):
    """Makes the sections of a report that are missing; each is there as soon as it is ready."""

    name = "report"
    process = "scv.jobs.report_process"
    at_once = 1
    secrets = ("database_url",)
    lost = say(
        "The work on the report was cut off again and again, most likely for lack of memory. Free some memory, then "
        "try again: what was ready is kept. The interactive worker's log has the details."
    )

    async def argument(self, settings: Settings, database: Database, task: Task) -> str | None:
        async with database.reading() as session:
            return task.subject if await leases.run_exists(session, int(task.subject)) else None

    async def clear(self, settings: Settings, database: Database, task: Task, ending: Ending | None) -> None:
        async with database.reading() as session:
            exists = await leases.run_exists(session, int(task.subject))
        if not exists:
            Files(settings.data_dir / "files").delete(run_folder(int(task.subject)))
