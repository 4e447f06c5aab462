"""The kinds of tasks that there are. A new kind is a module, its process, and a row here."""

from scv.jobs.prepare_task import PrepareTask
from scv.jobs.report_task import ReportTask
from scv.jobs.task_kind import TaskKind
from scv.jobs.version_task import VersionTask

KINDS: tuple[TaskKind, ...] = (PrepareTask(), VersionTask(), ReportTask())
