"""One run's training from a worker's side: lease, child, heartbeat, and what is written where.

Whatever happens is written to the database first and told to the stream afterwards.
"""

import asyncio
from contextlib import suppress
from typing import Literal

import structlog
from sqlalchemy.exc import SQLAlchemyError
from structlog.contextvars import bound_contextvars

from scv.db import leases, runs
from scv.db.engine import Database
from scv.db.leases import LeaseLostError, RunControl
from scv.db.scheduling import take_next
from scv.db.tables import Run
from scv.files import Files, run_folder, weights_key
from scv.jobs.events import BrokerAwayError, Queued, Retrying, RunEvent
from scv.jobs.lines import Renewed
from scv.jobs.presence import Seat
from scv.jobs.queue import Queue
from scv.jobs.time_limit import out_of_time
from scv.jobs.train_processes import Child, Spare
from scv.jobs.train_protocol import Pause, Train
from scv.message import say
from scv.settings import Settings
from scv.training.progress import EpochMetrics, Event, Failed, Paused, Result, Started, Stopped

HEARTBEAT_SECONDS = 0.5
AWAY_SECONDS = 1.0

PAUSE_SECONDS = 60.0
"""How long a child may take to keep its state; then it is killed, and the run goes on from the state before."""

CHILD_DIED = Failed(
    code="child_died",
    message=say("The training process was ended from outside again and again, most likely for lack of memory."),
)

Reason = Literal["stop", "pause", "time"]
"""Why a child was told to end: its user wants it, or the run has had the time that one may take."""

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


class Trainer:
    """Trains runs, one at a time, each in a child process of its own."""

    def __init__(self, settings: Settings, database: Database, queue: Queue, spare: Spare) -> None:
        self._settings = settings
        self._database = database
        self._queue = queue
        self._spare = spare
        self._files = Files(settings.data_dir / "files")
        self._training: _Training | None = None

    @property
    def seat(self) -> Seat:
        """Where it trains, and what."""
        return Seat(device=self._settings.device, run_id=self._training.run_id if self._training else None)

    @property
    def processes(self) -> list[int]:
        """The ids of its child processes: the one that trains and the one that waits, if they are there."""
        children = (self._training.child if self._training else None, self._spare)
        return [child.pid for child in children if child is not None and child.pid is not None]

    async def train_all(self) -> None:
        """Train the runs that wait, one after the other, each time the one whose turn it is.

        Ends when none waits that this worker may take. When this is cancelled the run at hand is given back.
        """
        while True:
            async with self._database.writing() as session:
                run = await take_next(session, self._settings.lease_seconds, self._settings.running_per_user)
            if run is None or run.lease_token is None:
                return
            with bound_contextvars(run=run.id):
                await self._train(run, run.lease_token)
            await self._spare.warm()

    async def _train(self, run: Run, token: str) -> None:
        training = _Training(run, token, self._settings, self._database, self._queue, self._files)
        self._training = training
        try:
            if await training.go_on_until_it_ends(self._spare):
                self._files.delete_unfinished(run.id)
        except LeaseLostError:
            log.warning("the run was taken from this worker")
            await self._clear_deleted(run.id)
        except asyncio.CancelledError:
            with suppress(LeaseLostError):
                async with self._database.writing() as session:
                    await leases.release(session, run.id, token)
            raise
        finally:
            self._training = None

    async def _clear_deleted(self, run_id: int) -> None:
        async with self._database.reading() as session:
            exists = await leases.run_exists(session, run_id)
        if not exists:
            self._files.delete(run_folder(run_id))


class _Training:
    """A run while this worker holds its lease."""

    def __init__(
        self, run: Run, token: str, settings: Settings, database: Database, queue: Queue, files: Files
    ) -> None:
        self.run_id = run.id
        self.child: Child | None = None
        self._run = run
        self._token = token
        self._settings = settings
        self._database = database
        self._queue = queue
        self._files = files
        self._number = run.attempt
        self._reason: Reason | None = None
        self._given_back = False
        self._broker_away_until = 0.0

    async def go_on_until_it_ends(self, spare: Spare) -> bool:
        """Train with one child after another, as long as there are attempts.

        Returns whether the run has ended for good; if not, it was given back since it is paused.
        """
        while not await self._attempt(spare):
            if self._number >= self._settings.attempts:
                await self._record_failed(CHILD_DIED)
                return True
            self._number += 1
            async with self._database.writing() as session:
                await leases.next_attempt(session, self._run.id, self._token, self._number)
            await self._tell(Retrying(attempt=self._number, reason="child_died"))
        return not self._given_back

    async def _attempt(self, spare: Spare) -> bool:
        """Train with one child. Returns whether this worker is done with the run; if not, the child was lost."""
        self.child = None
        heartbeat = asyncio.create_task(self._keep_lease())  # also while a child is waited for
        try:
            self.child = child = await spare.take()
            child.send(self._task())
            log.info("a training begins", attempt=self._number, child=child.pid)
            done = False
            async for event in child.events(self._settings.silence_seconds):
                done = await self._record_patiently(event) or done
                if isinstance(event, EpochMetrics):
                    await spare.warm()
            status = await child.wait()
            if not done and self._reason is not None:
                await self._record_told_to_end(self._reason)
                done = True
            if not done:
                log.warning("a training process was lost", attempt=self._number, child=child.pid, status=status)
            return done
        finally:
            if self.child is not None:
                await self.child.kill()
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)

    def _task(self) -> Train:
        """What the child is to do."""
        return Train(
            run_id=self._run.id,
            attempt=self._number,
            document=self._run.document_json,
            settings=self._run.settings_json,
            dataset=self._run.dataset,
            data_dir=str(self._settings.data_dir),
            folder=str(self._files.path(run_folder(self._run.id))),
            device=self._settings.device,
            lease_seconds=self._settings.lease_seconds,
            checkpoint_seconds=self._settings.checkpoint_seconds,
            memory_mb=self._settings.memory_mb,
        )

    async def _keep_lease(self) -> None:
        """Renew the lease until cancelled; end the child when that is asked for or the lease is lost."""
        clock = asyncio.get_running_loop().time
        seconds = self._settings.lease_seconds
        pause = min(HEARTBEAT_SECONDS, seconds / 4)
        counted = clock()
        good_until = counted + seconds
        while clock() < good_until:
            begun = clock()
            try:
                async with self._database.writing() as session:
                    control = await leases.renew_lease(session, self._run.id, self._token, seconds, begun - counted)
            except LeaseLostError:
                break
            except SQLAlchemyError:
                log.exception("the lease could not be renewed")
            else:
                counted, good_until = begun, begun + seconds
                if self.child is not None:
                    self.child.send(Renewed())
                    await self._see_to(control, self.child)
            await asyncio.sleep(pause)
        # Nothing more may be written; the next statement that needs the lease says that it is lost.
        if self.child is not None:
            await self.child.kill()

    async def _see_to(self, control: RunControl, child: Child) -> None:
        if control.stop and self._reason != "stop":
            self._reason = "stop"
            await child.stop()
        elif control.trained_seconds > self._settings.run_minutes * 60 and self._reason is None:
            self._reason = "time"
            await child.stop()
        elif control.pause and self._reason is None:
            self._reason = "pause"
            child.send(Pause())
            asyncio.get_running_loop().call_later(PAUSE_SECONDS, child.kill_soon)

    async def _record_patiently(self, event: Event) -> bool:
        """Record, and while the database cannot take it, for a full disk say, try again until the lease is lost."""
        while True:
            try:
                return await self._record(event)
            except SQLAlchemyError:
                log.exception("an event could not be recorded", kind=type(event).__name__)
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _record(self, event: Event) -> bool:
        """Write down what the child says, then tell it. Returns whether this worker is done with the run."""
        match event:
            case Started():
                async with self._database.writing() as session:
                    await leases.record_started(session, self._run.id, self._token, event)
            case EpochMetrics():
                async with self._database.writing() as session:
                    await leases.record_epoch(session, self._run.id, self._token, event)
            case Result():
                async with self._database.writing() as session:
                    await leases.finish(session, self._run.id, self._token, event, weights_key(self._run.id))
                    if self._settings.reports == "always":
                        await runs.request_report(session, self._run.id)
                await self._tell(event)
                with suppress(BrokerAwayError):  # then the interactive worker finds it by itself
                    await self._queue.wake_task_runner()
                return True
            case Stopped() | Paused():
                await self._record_told_to_end(self._reason or "stop")
                return True
            case Failed():
                await self._record_failed(event)
                return True
        await self._tell(event)
        return False

    async def _record_told_to_end(self, reason: Reason) -> None:
        """The child has ended since it was told to: write down what the run is now."""
        async with self._database.reading() as session:
            epochs = await leases.count_epochs(session, self._run.id)
        match reason:
            case "stop":
                async with self._database.writing() as session:
                    await leases.stop(session, self._run.id, self._token, self._weights())
                await self._tell(Stopped(epochs=epochs))
            case "time":
                await self._record_failed(out_of_time(self._settings.run_minutes, epochs))
            case "pause":
                async with self._database.writing() as session:
                    paused = await leases.release(session, self._run.id, self._token)
                self._given_back = True
                # Its user may have changed his mind meanwhile: then it waits for its turn like any other.
                await self._tell(Paused(epochs=epochs) if paused else Queued(attempt=self._number))

    async def _record_failed(self, failed: Failed) -> None:
        async with self._database.writing() as session:
            await leases.fail(session, self._run.id, self._token, failed, self._weights())
        await self._tell(failed)

    def _weights(self) -> str | None:
        return self._files.existing(weights_key(self._run.id))

    async def _tell(self, event: RunEvent) -> None:
        """Publish; while the broker is away the news is lost, which the database makes up for."""
        clock = asyncio.get_running_loop().time
        if clock() < self._broker_away_until:
            return
        try:
            await self._queue.publish(self._run.id, event)
        except BrokerAwayError:
            # Trying again with every event would hold up the training.
            self._broker_away_until = clock() + AWAY_SECONDS
