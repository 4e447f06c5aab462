"""What happens to a run, as it happens: a Redis stream `run:{id}` that a page can follow and take up again.

The database is the record. A stream is news: it may be cut, lost with its broker, or run out, so a page shows
what the database says first and follows the stream from there.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from scv.errors import SCVError
from scv.message import say
from scv.training.progress import Event, Failed, Result, Stopped

STREAM_LENGTH = 5000
KEPT_SECONDS = 12 * 3600
"""How long a stream is kept after its last event."""

QUIET_SECONDS = 5.0
"""How long `follow` waits for news before it says that there is none."""


class BrokerAwayError(SCVError):
    """The broker does not answer at the moment; what was asked can be tried again later."""


class Queued(msgspec.Struct, tag="queued", frozen=True, kw_only=True):
    """The run waits for a worker, for this attempt."""

    attempt: int


class Retrying(msgspec.Struct, tag="retrying", frozen=True, kw_only=True):
    """The training process or its worker was lost; the run goes on from its checkpoint as this attempt.

    `reason`: child_died, worker_lost.
    """

    attempt: int
    reason: str


RunEvent = Event | Queued | Retrying

_decode = msgspec.json.Decoder(RunEvent).decode
_encode = msgspec.json.Encoder().encode


def is_last(event: RunEvent) -> bool:
    """Whether a run ends with this event."""
    return isinstance(event, Result | Stopped | Failed)


@contextmanager
def broker_needed() -> Iterator[None]:
    """Turn the errors of a broker that is away, loading, hung, full or read-only into `BrokerAwayError`."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise BrokerAwayError(say("The job queue does not answer at the moment. Please try again shortly.")) from error


def _stream(run_id: int) -> str:
    return f"run:{run_id}"


async def publish(redis: Redis, run_id: int, event: RunEvent) -> None:
    """Append the event to the run's stream; raises `BrokerAwayError`."""
    with broker_needed():
        async with redis.pipeline(transaction=True) as pipe:
            pipe.xadd(_stream(run_id), {"event": _encode(event)}, maxlen=STREAM_LENGTH, approximate=True)
            pipe.expire(_stream(run_id), KEPT_SECONDS)
            await pipe.execute()


async def follow(
    redis: Redis, run_id: int, after: str = "0-0", quiet_seconds: float = QUIET_SECONDS
) -> AsyncGenerator[tuple[str, RunEvent | None], None]:
    """The run's events after the stream id `after`, each with its id, until the one that ends the run.

    When nothing happened for `quiet_seconds`, gives the last id with None: time to keep a connection alive,
    and to look into the database whether the run has ended, since a lost broker takes the last event with it.
    Raises `BrokerAwayError`, and `ValueError` where `after` is no stream id.
    """
    number, _, sequence = after.partition("-")
    if not (number.isascii() and number.isdecimal() and (not sequence or sequence.isdecimal())):
        raise ValueError(f"not a stream id: {after!r}")
    while True:
        with broker_needed():
            replies = await redis.xread({_stream(run_id): after}, block=int(quiet_seconds * 1000))
        if not replies:
            yield after, None
        for _, entries in replies:
            for entry_id, fields in entries:
                after = entry_id.decode()
                event = _decode(fields[b"event"])
                yield after, event
                if is_last(event):
                    return
