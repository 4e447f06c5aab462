"""The lines of JSON between a worker and the process that does a task: one struct a line, on its stdin and stdout."""

import msgspec

from scv.jobs.lines import Renewed, Stop
from scv.message import Message
from scv.stage import Stage


class BeginTask(msgspec.Struct, tag="begin", frozen=True, kw_only=True):
    """Do the work that `argument` (JSON) describes. The process ends when it hears nothing for `lease_seconds`."""

    argument: str
    lease_seconds: float


class TaskProgress(msgspec.Struct, tag="progress", frozen=True):
    """What is being done now, and the finished share of the whole from 0 to 1, None where nobody can tell."""

    stage: Stage
    fraction: float | None = None


class TaskDone(msgspec.Struct, tag="done", frozen=True):
    """All of it is done."""


class TaskStopped(msgspec.Struct, tag="stopped", frozen=True):
    """The work has ended since somebody wanted it to."""


class TaskFailed(msgspec.Struct, tag="failed", frozen=True):
    """The work cannot be done. `refused` says that what the user brought is the reason, so trying again is useless."""

    message: Message
    refused: bool = False


Ending = TaskDone | TaskStopped | TaskFailed

read_to_process = msgspec.json.Decoder(BeginTask | Renewed | Stop).decode
read_from_process = msgspec.json.Decoder(TaskProgress | Ending).decode
