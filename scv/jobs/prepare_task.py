"""Preparing an official dataset, from a worker's side. The subject is the dataset's name."""

import msgspec

from scv.db.engine import Database
from scv.db.tables import Task
from scv.jobs.task_kind import TaskKind
from scv.jobs.task_protocol import Ending
from scv.message import say
from scv.settings import Settings


class PrepareTask(TaskKind):
    """Downloads what is missing and writes the resident form, which the process alone decides about."""

    name = "prepare"
    process = "scv.jobs.prepare_process"
    at_once = 2
    lost = say(
        "The preparation of the dataset was cut off again and again, most likely for lack of memory. Free some memory, "
        "then try again. The interactive worker's log has the details."
    )

    async def argument(self, settings: Settings, database: Database, task: Task) -> str:
        return msgspec.json.encode(task.subject).decode()

    async def clear(self, settings: Settings, database: Database, task: Task, ending: Ending | None) -> None:
        """Nothing is left behind: what was downloaded whole is used by the next try."""
