"""Reports from a worker's side: one after the other, each by a process of its own that ends with the worker."""

import logging
from contextlib import suppress

from scv.files import Files, report_folder
from scv.jobs.events import BrokerAwayError
from scv.jobs.queue import Queue
from scv.jobs.report_state import end_report, report_underway
from scv.jobs.subprocesses import run_subprocess
from scv.message import say
from scv.settings import Settings

LOST = say("The work on the report ended unexpectedly. The interactive worker's log has the details.")

log = logging.getLogger(__name__)


class Reporter:
    """Makes one report at a time; those that are asked for meanwhile come into the queue again after it.

    Which these are is known to this worker alone: if it is killed, whoever looks at a report asks for it again.
    """

    def __init__(self, settings: Settings, queue: Queue, processes: set[int]) -> None:
        self._settings = settings
        self._queue = queue
        self._processes = processes
        self._busy = False
        self._waiting: dict[int, None] = {}  # an ordered set

    async def make(self, run_id: int) -> None:
        """Make the report of the run, if it is still wanted, or note that it waits."""
        if self._busy:
            self._waiting[run_id] = None
            return
        self._busy = True
        try:
            await self._make(run_id)
        finally:
            self._busy = False
            with suppress(BrokerAwayError):  # it still waits, and comes after the next one
                await self._enqueue_following()

    async def _enqueue_following(self) -> None:
        following = next(iter(self._waiting), None)
        if following is None:
            return
        del self._waiting[following]
        try:
            await self._queue.enqueue_report(following)
        except BaseException:
            self._waiting[following] = None
            raise

    async def _make(self, run_id: int) -> None:
        folder = Files(self._settings.data_dir / "files").path(report_folder(run_id))
        if report_underway(folder) is None:  # stopped, or deleted, while it waited
            return
        status = await run_subprocess(
            self._settings, self._processes, "scv.jobs.report_process", str(run_id), secrets=["database_url"]
        )
        log.info("report of run %s: ended with status %s", run_id, status)
        if report_underway(folder) is not None:  # it could say nothing more itself
            end_report(folder, LOST)
