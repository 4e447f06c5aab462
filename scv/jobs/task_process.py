"""What all processes that do tasks share: the way of their progress to the worker, and of its wishes to them."""

import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from scv.jobs.lines import Renewed, Stop, WorkerReader, WorkerWriter
from scv.jobs.task_protocol import BeginTask, Ending, TaskDone, TaskFailed, TaskProgress, TaskStopped, read_to_process
from scv.log import configure_log
from scv.message import Message, say
from scv.settings import Settings
from scv.stage import Stage

INTERNAL = say("The work ended because of an error in the program. The interactive worker's log has the details.")
OUT_OF_MEMORY = say("The memory of the server is too small for this. Free some memory, then try again.")

_EVERY = 0.25
"""Seconds between two lines about one stage."""

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


class TaskStoppedError(Exception):
    """Somebody wants the task to stop."""


class TaskFailedError(Exception):
    """The work cannot be done; `refused` says that what the user brought is the reason."""

    def __init__(self, message: Message, *, refused: bool = False) -> None:
        self.message = message
        self.refused = refused
        super().__init__(str(message))


class ProgressSender:
    """Sends to the worker how far the work is; raises `TaskStoppedError` once that is wanted."""

    def __init__(self, send: Callable[[TaskProgress], None], should_stop: Callable[[], bool]) -> None:
        self._send = send
        self._should_stop = should_stop
        self._last: Stage | None = None
        self._sent = 0.0

    def __call__(self, stage: Stage, fraction: float | None = None) -> None:
        """`fraction` is the share of the whole; by default that of the stage, where it has one."""
        if self._should_stop():
            raise TaskStoppedError
        now, last = time.monotonic(), self._last
        same = last is not None and last.message == stage.message
        if same and now - self._sent < _EVERY and stage.done < stage.total:
            return
        self._last, self._sent = stage, now
        if fraction is None and stage.total > 0:
            fraction = stage.share
        self._send(TaskProgress(stage, fraction))


Work = Callable[[str, ProgressSender], None]
"""Does the work that its argument (JSON) describes. Raises `TaskFailedError`, and what the progress raises."""


def run(work: Work) -> int:
    """Do one task for the worker that started this process, and tell it how that ended; returns the exit status."""
    configure_log(Settings.from_environment().log_format, Path(sys.argv[0]).stem)
    writer = WorkerWriter()
    tasks: queue.SimpleQueue[BeginTask] = queue.SimpleQueue()
    stop = threading.Event()

    def read(text: bytes) -> None:
        message = read_to_process(text)
        match message:
            case BeginTask():
                reader.lease_seconds = message.lease_seconds
                tasks.put(message)
            case Stop():
                stop.set()
            case Renewed():
                pass

    reader = WorkerReader(read)
    reader.start()
    task = tasks.get()
    writer.send(ending_of(work, task.argument, ProgressSender(writer.send, stop.is_set)))
    sys.stderr.flush()
    return 0


def ending_of(work: Work, argument: str, on_progress: ProgressSender) -> Ending:
    """Do the work; whatever it raises becomes what the user is told, and the log has the rest."""
    try:
        work(argument, on_progress)
    except TaskStoppedError:
        return TaskStopped()
    except TaskFailedError as error:
        log.warning("the task cannot be done", why=str(error.message), exc_info=True)
        return TaskFailed(error.message, error.refused)
    except MemoryError:
        log.exception("the task failed")
        return TaskFailed(OUT_OF_MEMORY)
    except Exception:
        log.exception("the task failed")
        return TaskFailed(INTERNAL)
    return TaskDone()
