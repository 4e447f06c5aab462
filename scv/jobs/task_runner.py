"""Does the tasks that wait: takes each under a lease, has a process do it, and writes down how it ends.

The database says what waits, so a job of the queue only saves time: without it a task is found a little later.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError
from structlog.contextvars import bound_contextvars

from scv.db import tasks
from scv.db.engine import Database
from scv.db.leases import LeaseLostError
from scv.db.tables import Task, TaskState
from scv.errors import ConflictError
from scv.jobs.lines import Renewed, Stop, line
from scv.jobs.pace import Pace
from scv.jobs.subprocesses import Subprocess, running_subprocess
from scv.jobs.task_kind import TaskKind
from scv.jobs.task_protocol import (
    BeginTask,
    Ending,
    TaskDone,
    TaskFailed,
    TaskProgress,
    TaskStopped,
    read_from_process,
)
from scv.jobs.tasks import KINDS
from scv.message import Message
from scv.settings import Settings

PLACES = 3
"""How many tasks a worker does at a time: a report and two others, so that a dataset need not wait for it."""

POLL_SECONDS = 2.0
"""How often a worker looks by itself for what waits."""

HEARTBEAT_SECONDS = 1.0
"""How often the lease is renewed, and progress is written down."""

STOP_SECONDS = 5.0
"""How long a process may take to stop when it is told to; then it is killed."""

_INSIST_SECONDS = 3.0
"""After so long a task is cancelled once more: a cancellation can be lost."""

_STATES: dict[type[Ending], TaskState] = {TaskDone: "done", TaskStopped: "stopped", TaskFailed: "failed"}

_TRY_LATER = (SQLAlchemyError, ConflictError)
"""What a database raises that is away or full, or gave a transaction up for another one's sake."""

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


class TaskRunner:
    """Does tasks of some kinds, several at a time. `processes` holds the ids of the processes at work."""

    def __init__(
        self, settings: Settings, database: Database, processes: set[int], kinds: Sequence[TaskKind] = KINDS
    ) -> None:
        self._settings = settings
        self._database = database
        self._processes = processes
        self._kinds = {kind.name: kind for kind in kinds}
        self._busy: Counter[str] = Counter()
        self._taking = asyncio.Lock()
        self._at_work: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Do what waits, if there is a place left."""
        if len(self._at_work) < PLACES:
            work = asyncio.create_task(self.run_waiting())
            self._at_work.add(work)
            work.add_done_callback(self._at_work.discard)

    async def look_for_ever(self) -> NoReturn:
        """Do what waits, now and whenever something does, until cancelled."""
        for _ in range(PLACES - 1):
            self.wake()
        while True:
            self.wake()
            await asyncio.sleep(POLL_SECONDS)

    async def close(self) -> None:
        """End all processes; their tasks are given back and wait for the next worker."""
        while self._at_work:
            for work in self._at_work:
                work.cancel()
            await asyncio.wait(self._at_work, timeout=_INSIST_SECONDS)

    async def run_waiting(self) -> None:
        """Do one task after the other until none waits that may begin."""
        while (task := await self._take()) is not None:
            with bound_contextvars(task=task.id):
                await self._run(task)

    async def _run(self, task: Task) -> None:
        try:
            await _TaskAtWork(task, self._kinds[task.kind], self._settings, self._database, self._processes).run()
        except LeaseLostError:
            log.warning("the task was taken from this worker")
        except Exception:
            # The reaper sees to the task when its lease has run out.
            log.exception("the task could not be done")
        finally:
            self._busy[task.kind] -= 1

    async def _take(self) -> Task | None:
        async with self._taking:
            free = [name for name, kind in self._kinds.items() if self._busy[name] < kind.at_once]
            try:
                async with self._database.reading() as session:  # which keeps nobody from writing
                    if not await tasks.is_any_waiting(session, free):
                        return None
                async with self._database.writing() as session:
                    task = await tasks.take(session, free, self._settings.lease_seconds)
            except _TRY_LATER:
                log.exception("the database does not say which task waits")
                return None
            if task is not None:
                self._busy[task.kind] += 1
            return task


class _TaskAtWork:
    """A task while this worker holds its lease."""

    def __init__(self, task: Task, kind: TaskKind, settings: Settings, database: Database, processes: set[int]) -> None:
        self._task = task
        self._token = task.lease_token or ""
        self._kind = kind
        self._settings = settings
        self._database = database
        self._processes = processes
        self._progress: TaskProgress | None = None
        self._pace = Pace()
        self._process: Subprocess | None = None
        self._stopping = False

    async def run(self) -> None:
        """Do the task, or give it back when this is cancelled. Raises `LeaseLostError`, and has cleared up then."""
        heartbeat = asyncio.create_task(self._keep_lease())
        ending: Ending | None = None
        try:
            ending = await self._work()
            if ending is None and self._task.attempt < self._settings.attempts:
                async with self._database.writing() as session:
                    await tasks.requeue(session, self._task.id, self._token, self._task.attempt + 1)
                return
            ending = await self._record(ending or TaskFailed(self._kind.lost))
        except LeaseLostError:
            await self._kind.clear(self._settings, self._database, self._task, None)
            raise
        except asyncio.CancelledError:
            with suppress(LeaseLostError, *_TRY_LATER):
                async with self._database.writing() as session:
                    await tasks.release(session, self._task.id, self._token)
            raise
        finally:
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)
        await self._kind.clear(self._settings, self._database, self._task, ending)

    async def _work(self) -> Ending | None:
        """Have a process do it; None where that was lost."""
        argument = await self._kind.argument(self._settings, self._database, self._task)
        if argument is None:
            return TaskStopped()
        begin = BeginTask(argument=argument, lease_seconds=self._settings.lease_seconds)
        async with running_subprocess(
            self._settings, self._processes, self._kind.process, secrets=self._kind.secrets
        ) as process:
            self._process = process
            log.info("a task begins", kind=self._task.kind, subject=self._task.subject, child=process.pid)
            self._send(begin)
            try:
                ending = await self._listen(process)
                if ending is None:
                    process.kill()
                status = await process.wait()
            finally:
                self._process = None
        log.info("a task ends", child=process.pid, status=status, ending=ending)
        return TaskStopped() if ending is None and self._stopping else ending

    async def _listen(self, process: Subprocess) -> Ending | None:
        """Note what the process says until it says how it ended; None where it ends without, or is silent too long."""
        while True:
            try:
                text = await asyncio.wait_for(process.reader.readline(), self._settings.silence_seconds)
                message = read_from_process(text) if text else None
            except (
                TimeoutError,
                ValueError,
                msgspec.DecodeError,
            ):  # also a line that cannot be read, or is far too long
                log.warning("the process is silent, or its lines cannot be read", child=process.pid)
                return None
            if not isinstance(message, TaskProgress):
                return message
            self._progress = message

    def _send(self, message: msgspec.Struct) -> None:
        """Say something to the process; one that is gone hears nothing."""
        if self._process is not None:
            with suppress(ConnectionError):
                self._process.writer.write(line(message))

    async def _keep_lease(self) -> None:
        """Renew the lease and write down how far the work is; end the process when it is stopped, or the lease lost."""
        clock = asyncio.get_running_loop().time
        seconds = self._settings.lease_seconds
        good_until = clock() + seconds
        while clock() < good_until:
            begun = clock()
            try:
                stop = await self._renew(begun)
            except LeaseLostError:
                break
            except _TRY_LATER:
                log.exception("the lease could not be renewed")
            else:
                good_until = begun + seconds
                self._send(Renewed())
                if stop:
                    self._stop()
            await asyncio.sleep(min(HEARTBEAT_SECONDS, seconds / 4))
        # Nothing more may be written; the next statement that needs the lease says that it is lost.
        if self._process is not None:
            self._process.kill()

    async def _renew(self, moment: float) -> bool:
        stage, fraction = (None, None) if self._progress is None else (self._progress.stage, self._progress.fraction)
        left = self._pace.seconds_left(fraction, moment)
        async with self._database.writing() as session:
            return await tasks.renew(
                session, self._task.id, self._token, self._settings.lease_seconds, stage, fraction, left
            )

    def _stop(self) -> None:
        """Tell the process to stop; kill it where it does not listen."""
        if self._process is not None and not self._stopping:
            self._stopping = True
            self._send(Stop())
            asyncio.get_running_loop().call_later(STOP_SECONDS, self._process.kill)

    async def _record(self, ending: Ending) -> Ending:
        """Write down how it ended; while the database cannot take it, for a full disk say, try until the lease is lost.

        Returns the ending that counts.
        """
        while True:
            try:
                async with self._database.writing() as session:
                    counts = await self._kind.record(self._settings, session, self._task, ending)
                    await tasks.end(session, self._task.id, self._token, *state_of(counts))
                return counts
            except _TRY_LATER:
                log.exception("the end of the task could not be recorded")
            await asyncio.sleep(HEARTBEAT_SECONDS)


def state_of(ending: Ending) -> tuple[TaskState, Message | None]:
    """What the task's row holds after this end: the state, and the reason of a failure."""
    return _STATES[type(ending)], ending.message if isinstance(ending, TaskFailed) else None
