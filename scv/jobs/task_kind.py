"""What a kind of task is, from a worker's side."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import ClassVar

from sqlalchemy.ext.asyncio import AsyncSession

from scv.db.engine import Database
from scv.db.tables import Task
from scv.jobs.task_protocol import Ending
from scv.message import Message
from scv.settings import Settings


class TaskKind(ABC):
    """One kind of task. The work is done by a process; what becomes of it in the database is written here."""

    name: ClassVar[str]
    """What `Task.kind` holds."""

    process: ClassVar[str]
    """The module that does the work; it calls `scv.jobs.task_process.run`."""

    at_once: ClassVar[int]
    """How many of these a worker does at a time."""

    secrets: ClassVar[Collection[str]] = ()
    """Which of `scv.settings.SECRETS` the process is given."""

    lost: ClassVar[Message]
    """Why a task failed whose process or worker was lost in each attempt, and what can be done about it."""

    @abstractmethod
    async def argument(self, settings: Settings, database: Database, task: Task) -> str | None:
        """What the process is told, as JSON; None where the subject is gone, so that nothing is to be done."""

    async def record(self, settings: Settings, session: AsyncSession, task: Task, ending: Ending) -> Ending:
        """Write what the end of the task means for its subject, in the transaction that ends it.

        Returns the ending that counts. Only what the database holds may change here: the transaction may fail.
        """
        return ending

    @abstractmethod
    async def clear(self, settings: Settings, database: Database, task: Task, ending: Ending | None) -> None:
        """Remove files that are of no use any more, once the end is committed.

        `ending` is None where the task was taken away: its subject may have been deleted, or another worker has it.
        """
