import os
import signal

import pytest

from scv.jobs.broker import Broker
from scv.jobs.events import BrokerAwayError, Queued
from scv.jobs.queue import INTERACTIVE_QUEUE, TRAIN_QUEUE, Queue
from scv.settings import Settings

pytestmark = pytest.mark.engines("sqlite")


async def test_an_attempt_is_enqueued_once(queue: Queue) -> None:
    assert await queue.enqueue_training(5, 1)
    assert not await queue.enqueue_training(5, 1)
    assert await queue.enqueue_training(5, 2)
    await queue.wake_task_runner()
    await queue.wake_task_runner()
    assert await queue.redis.zcard(INTERACTIVE_QUEUE) == 1


async def test_a_job_carries_ids_only(queue: Queue) -> None:
    await queue.enqueue_training(5, 2)
    (job,) = await queue.redis.queued_jobs(queue_name=TRAIN_QUEUE)
    assert (job.function, list(job.args), job.kwargs) == ("train", [5, 2], {})


async def test_it_works_again_once_the_broker_is_back(broker: Broker, queue: Queue) -> None:
    await broker.stop()
    with pytest.raises(BrokerAwayError):
        await queue.enqueue_training(5, 1)
    await broker.start()
    assert await queue.enqueue_training(5, 1)


async def test_a_broker_that_hangs_counts_as_away(
    broker: Broker, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scv.jobs.queue.ANSWER_SECONDS", 0.3)
    queue = Queue.open(settings)
    assert await queue.enqueue_training(5, 1)
    pid = int((await queue.redis.info("server"))["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(BrokerAwayError):
            await queue.enqueue_training(5, 2)
        with pytest.raises(BrokerAwayError):
            await queue.publish(5, Queued(attempt=2))
    finally:
        os.kill(pid, signal.SIGCONT)
    await queue.close()


async def test_what_the_broker_refuses_counts_as_away(queue: Queue) -> None:
    await queue.redis.set("run:5", "no stream")
    with pytest.raises(BrokerAwayError):
        await queue.publish(5, Queued(attempt=1))
    await queue.redis.config_set("maxmemory", 1)
    with pytest.raises(BrokerAwayError):
        await queue.enqueue_training(5, 1)
