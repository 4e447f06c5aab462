"""The way from the web to the workers. With `worker` the only place that knows arq.

A job only says that something waits, and is done as soon as a worker has heard it: the database knows what waits, and
workers look there by themselves as well. So nothing depends on what arq keeps of its jobs.
"""

from typing import Any, Self

import msgspec
from arq.connections import ArqRedis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from scv.jobs.broker_url import connection_pool
from scv.jobs.events import RunEvent, broker_needed, publish
from scv.jobs.predict_client import Answer, ask
from scv.jobs.presence import WorkerState, list_workers
from scv.settings import Settings

TRAIN_QUEUE = "scv:train"
INTERACTIVE_QUEUE = "scv:interactive"

ANSWER_SECONDS = 8.0
"""How long a broker may take to answer: longer than `follow` has it wait for news. A worker never has it wait."""


def write_job(job: dict[str, Any]) -> bytes:
    """arq's serializer, instead of its default, pickle."""
    return msgspec.msgpack.encode(job)


def read_job(data: bytes) -> dict[str, Any]:
    """arq's deserializer."""
    return msgspec.msgpack.decode(data, type=dict[str, Any])


def open_redis(settings: Settings, *, retries: int) -> ArqRedis:
    """A client that connects when it is first used. A broker that restarts is tried again `retries` times.

    Raises `RefusedError` where the URL cannot be read.
    """
    options: dict[str, Any] = {
        # Not after a timeout: whoever waits would wait several times as long.
        "retry": Retry(ExponentialBackoff(cap=1.0, base=0.05), retries, supported_errors=(RedisConnectionError,)),
        "retry_on_error": [RedisConnectionError],
        "socket_connect_timeout": 2.0,
        "socket_timeout": ANSWER_SECONDS,
    }
    return ArqRedis(connection_pool(settings.redis_url, **options), job_serializer=write_job, job_deserializer=read_job)


def training_job(run_id: int, attempt: int) -> str:
    """The job's id. A job that a killed worker had picked keeps its id from being used again for a while."""
    return f"train:{run_id}:{attempt}"


class Queue:
    """Hands work to the workers. Works again by itself once a broker that was away is back."""

    def __init__(self, redis: ArqRedis) -> None:
        self.redis = redis

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open without connecting: the broker may be away at this moment."""
        return cls(open_redis(settings, retries=1))

    async def close(self) -> None:
        await self.redis.aclose(close_connection_pool=True)

    async def publish(self, run_id: int, event: RunEvent) -> None:
        """Append to the run's stream; raises `BrokerAwayError`."""
        await publish(self.redis, run_id, event)

    async def enqueue_training(self, run_id: int, attempt: int) -> bool:
        """Have a worker look at once for runs that wait, such as this one. False when that is in the queue already.

        Without this a worker that is free looks a little later. Raises `BrokerAwayError`.
        """
        with broker_needed():
            job = await self.redis.enqueue_job(
                "train", run_id, attempt, _job_id=training_job(run_id, attempt), _queue_name=TRAIN_QUEUE
            )
        return job is not None

    async def wake_task_runner(self) -> None:
        """Have the interactive worker look at once for tasks that wait. Without this it looks a little later.

        Raises `BrokerAwayError`.
        """
        with broker_needed():
            await self.redis.enqueue_job("tasks", _job_id="tasks", _queue_name=INTERACTIVE_QUEUE)

    async def ask(self, weights: str, image: bytes) -> Answer:
        """What the network whose weights have this key says of an image, a file's bytes, which is stored nowhere.

        Raises `TooLargeError`, `PredictorAwayError` and `BrokerAwayError`. When it is cancelled nothing is computed.
        """
        return await ask(self.redis, weights, image)

    async def list_workers(self) -> list[WorkerState]:
        """The workers that are there, those that train first. Raises `BrokerAwayError`."""
        return await list_workers(self.redis)
