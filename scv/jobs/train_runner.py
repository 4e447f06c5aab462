"""Trains the runs that wait, one on each device at a time.

The database says what waits, so a job of the queue only saves time: without it a run is found a little later.
"""

import asyncio
from collections.abc import Sequence
from typing import NoReturn

import structlog

from scv.db.engine import Database
from scv.db.scheduling import count_ready
from scv.jobs.train_task import Trainer
from scv.settings import Settings

POLL_SECONDS = 1.0
"""How often a worker with a free device looks by itself for runs that wait."""

_INSIST_SECONDS = 3.0
"""After so long a training is cancelled once more: a cancellation can be lost."""

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


class TrainRunner:
    """Has each of the trainers train one run after the other, as long as there are runs."""

    def __init__(self, settings: Settings, database: Database, trainers: Sequence[Trainer]) -> None:
        self._settings = settings
        self._database = database
        self._idle = list(trainers)
        self._at_work: set[asyncio.Task[None]] = set()
        self._closed = False

    def wake(self) -> None:
        """Train what waits, if a trainer is free."""
        if self._idle and not self._closed:
            work = asyncio.create_task(self._train_all(self._idle.pop()))
            self._at_work.add(work)
            work.add_done_callback(self._at_work.discard)

    async def look_for_ever(self) -> NoReturn:
        """Train what waits, now and whenever something does, until cancelled."""
        while True:
            if self._idle:
                for _ in range(await self._count_ready()):
                    self.wake()
            await asyncio.sleep(POLL_SECONDS)

    async def close(self) -> None:
        """End all trainings; their runs are given back and wait for the next worker."""
        self._closed = True
        while self._at_work:
            for work in self._at_work:
                work.cancel()
            await asyncio.wait(self._at_work, timeout=_INSIST_SECONDS)

    async def _count_ready(self) -> int:
        try:
            async with self._database.reading() as session:  # which keeps nobody from writing
                return await count_ready(session, self._settings.running_per_user)
        except Exception:
            # Whatever it was: without this loop a run whose job was lost would wait for ever.
            log.exception("the database does not say which run waits")
            return 0

    async def _train_all(self, trainer: Trainer) -> None:
        try:
            await trainer.train_all()
        except Exception:
            # The run at hand is found again: by the next look, or by the reaper once its lease has run out.
            log.exception("a training ended unexpectedly")
        finally:
            self._idle.append(trainer)
