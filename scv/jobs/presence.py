"""Which workers there are: each announces itself under a key of its own, which runs out soon after it is gone."""

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec
import structlog
from redis.asyncio import Redis

from scv.jobs.events import BrokerAwayError, broker_needed

KEYS = "scv:worker:"

_PAUSE = 1.0
_GOODBYE_SECONDS = 1.0

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """A device that a worker trains on, as it was set, and the run that has it now."""

    device: str
    run_id: int | None


class WorkerState(msgspec.Struct, frozen=True, kw_only=True):
    """A worker as it was a moment ago; one that prepares datasets has no seats.

    `load` is how many processes wanted to run on its machine, on average over a minute, beside its `cores`. `memory`
    are the resident bytes of the worker and its child processes together, where the system tells; pages that
    several of them share are counted in each.
    """

    queue: str
    host: str
    pid: int
    since: datetime
    load: float
    cores: int
    memory: int | None
    seats: tuple[Seat, ...] = ()


def look(queue: str, since: datetime, seats: Iterable[Seat], children: Iterable[int]) -> WorkerState:
    """This process as a worker, with its child processes."""
    pid = os.getpid()
    return WorkerState(
        queue=queue,
        host=socket.gethostname(),
        pid=pid,
        since=since,
        load=os.getloadavg()[0],
        cores=os.cpu_count() or 1,
        memory=resident_bytes((pid, *children)),
        seats=tuple(seats),
    )


def resident_bytes(pids: Iterable[int]) -> int | None:
    """What the processes have in memory, leaving out those that have ended; None on systems without /proc."""
    pages = [_resident_pages(pid) for pid in pids]
    known = [count for count in pages if count is not None]
    return sum(known) * os.sysconf("SC_PAGE_SIZE") if known else None


def _resident_pages(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None


async def announce_for_ever(redis: Redis, state: Callable[[], WorkerState], seconds: float) -> None:
    """Say again and again that this worker is there, each time for so many seconds, until cancelled."""
    key = KEYS + secrets.token_hex(8)
    try:
        while True:
            try:
                with broker_needed():
                    await redis.set(key, msgspec.json.encode(state()), px=int(seconds * 1000))
            except BrokerAwayError:
                pass  # nobody can ask for it now
            except Exception:
                log.exception("this worker could not announce itself")
            await asyncio.sleep(min(seconds / 4, _PAUSE))
    finally:
        with suppress(BrokerAwayError, TimeoutError), broker_needed():
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await redis.delete(key)


async def list_workers(redis: Redis) -> list[WorkerState]:
    """The workers that have announced themselves, those that train first, the oldest first.

    Raises `BrokerAwayError`.
    """
    with broker_needed():
        keys = [key async for key in redis.scan_iter(match=f"{KEYS}*", count=1000)]
        told = await redis.mget(keys) if keys else []
    found: list[WorkerState] = []
    for text in told:
        with suppress(msgspec.DecodeError):  # a worker of another version of SCV
            if text is not None:  # gone between the two questions
                found.append(msgspec.json.decode(text, type=WorkerState))
    return sorted(found, key=lambda worker: (not worker.seats, worker.since))
