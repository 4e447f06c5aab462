"""One run's training from a worker's side: lease, child, heartbeat, and what is written where.

Whatever happens is written to the database first and told to the stream afterwards.
"""

import asyncio
import logging
from contextlib import suppress

from redis.asyncio import Redis
from sqlalchemy.exc import SQLAlchemyError

from scv.blocks.message import say
from scv.blocks.progress import EpochMetrics, Event, Failed, Result, Started, Stopped
from scv.db import leases
from scv.db.engine import Database
from scv.db.leases import LeaseLostError
from scv.db.tables import Run
from scv.files import Files, checkpoint_key, run_folder, weights_key
from scv.jobs.children import Child, Spare
from scv.jobs.events import BrokerAwayError, Retrying, RunEvent, publish
from scv.jobs.protocol import Renewed, Train
from scv.settings import Settings

HEARTBEAT_SECONDS = 0.5
AWAY_SECONDS = 1.0

CHILD_DIED = Failed(
    code="child_died",
    message=say("The training process was ended from outside again and again, most likely for lack of memory."),
)

log = logging.getLogger(__name__)


class Trainer:
    """Trains runs, one at a time, each in a child process of its own."""

    def __init__(self, settings: Settings, database: Database, redis: Redis, spare: Spare) -> None:
        self._settings = settings
        self._database = database
        self._redis = redis
        self._spare = spare
        self._files = Files(settings.data_dir / "files")

    async def train(self, run_id: int, attempt: int) -> None:
        """Train the run, if this attempt of it is due and nobody else has it.

        Ends when the run has ended, or is another worker's. When this is cancelled the run is given back.
        """
        async with self._database.writing() as session:
            run = await leases.take_lease(session, run_id, attempt, self._settings.lease_seconds)
        if run is None or run.lease_token is None:
            log.info("run %s, attempt %s: nothing to do", run_id, attempt)
            return
        training = _Training(run, run.lease_token, self._settings, self._database, self._redis, self._files)
        try:
            await training.go_on_until_it_ends(self._spare)
            self._files.delete(checkpoint_key(run_id))
        except LeaseLostError:
            log.warning("run %s is not ours any more", run_id)
            await self._clear_deleted(run_id)
        except asyncio.CancelledError:
            with suppress(LeaseLostError):
                async with self._database.writing() as session:
                    await leases.release(session, run_id, run.lease_token)
            raise
        await self._spare.warm()

    async def _clear_deleted(self, run_id: int) -> None:
        async with self._database.reading() as session:
            exists = await leases.run_exists(session, run_id)
        if not exists:
            self._files.delete(run_folder(run_id))


class _Training:
    """A run while this worker holds its lease."""

    def __init__(
        self, run: Run, token: str, settings: Settings, database: Database, redis: Redis, files: Files
    ) -> None:
        self._run = run
        self._token = token
        self._settings = settings
        self._database = database
        self._redis = redis
        self._files = files
        self._stopping = False
        self._broker_away_until = 0.0

    async def go_on_until_it_ends(self, spare: Spare) -> None:
        """Train with one child after another, as long as there are attempts."""
        attempt = self._run.attempt
        while not await self._attempt(spare):
            if attempt >= self._settings.attempts:
                await self._record_failed(CHILD_DIED)
                return
            attempt += 1
            async with self._database.writing() as session:
                await leases.next_attempt(session, self._run.id, self._token, attempt)
            await self._tell(Retrying(attempt=attempt, reason="child_died"))

    async def _attempt(self, spare: Spare) -> bool:
        """Train with one child. Returns whether the run has ended; if not, the child was lost."""
        child = await spare.take()
        child.send(
            Train(
                document=self._run.document,
                settings=self._run.settings,
                dataset=self._run.dataset,
                data_dir=str(self._settings.data_dir),
                folder=str(self._files.folder(run_folder(self._run.id))),
                device=self._settings.device,
                lease_seconds=self._settings.lease_seconds,
            )
        )
        log.info("run %s trains in process %s", self._run.id, child.pid)
        heartbeat = asyncio.create_task(self._keep_lease(child))
        try:
            ended = False
            async for event in child.events():
                ended = await self._record(event) or ended
                if isinstance(event, EpochMetrics):
                    await spare.warm()
            status = await child.wait()
            if not ended and self._stopping:
                await self._record_stopped()
                ended = True
            if not ended:
                log.warning("run %s: process %s ended with status %s", self._run.id, child.pid, status)
            return ended
        finally:
            await child.kill()
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)

    async def _keep_lease(self, child: Child) -> None:
        """Renew the lease while the child lives; stop the child when that is asked for or the lease is lost."""
        clock = asyncio.get_running_loop().time
        seconds = self._settings.lease_seconds
        pause = min(HEARTBEAT_SECONDS, seconds / 4)
        good_until = clock() + seconds
        while clock() < good_until:
            begun = clock()
            try:
                async with self._database.writing() as session:
                    stop = await leases.renew_lease(session, self._run.id, self._token, seconds)
            except LeaseLostError:
                break
            except SQLAlchemyError:
                log.exception("run %s: the lease could not be renewed", self._run.id)
            else:
                good_until = begun + seconds
                child.send(Renewed())
                if stop and not self._stopping:
                    self._stopping = True
                    await child.stop()
            await asyncio.sleep(pause)
        # Nothing more may be written; the next statement that needs the lease says that it is lost.
        await child.kill()

    async def _record(self, event: Event) -> bool:
        """Write down what the child says, then tell it. Returns whether the run has ended with it."""
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
            case Stopped():
                await self._record_stopped()
                return True
            case Failed():
                await self._record_failed(event)
                return True
        await self._tell(event)
        return isinstance(event, Result)

    async def _record_stopped(self) -> None:
        async with self._database.writing() as session:
            key = weights_key(self._run.id)
            kept = key if self._files.path(key).exists() else None
            await leases.stop(session, self._run.id, self._token, kept)
            epochs = await leases.count_epochs(session, self._run.id)
        await self._tell(Stopped(epochs=epochs))

    async def _record_failed(self, failed: Failed) -> None:
        async with self._database.writing() as session:
            await leases.fail(session, self._run.id, self._token, failed)
        await self._tell(failed)

    async def _tell(self, event: RunEvent) -> None:
        """Publish; while the broker is away the news is lost, which the database makes up for."""
        clock = asyncio.get_running_loop().time
        if clock() < self._broker_away_until:
            return
        try:
            await publish(self._redis, self._run.id, event)
        except BrokerAwayError:
            # Trying again with every event would hold up the training.
            self._broker_away_until = clock() + AWAY_SECONDS
