from contextlib import aclosing

import pytest

from scv.jobs.broker import Broker
from scv.jobs.events import BrokerAwayError, Queued, Retrying, RunEvent, follow
from scv.jobs.queue import Queue
from scv.training import progress
from scv.training.progress import EpochMetrics, Stopped

pytestmark = pytest.mark.engines("sqlite")

EPOCH = EpochMetrics(
    epoch=1,
    train_loss=0.25,
    train_accuracy=0.9,
    validation_loss=0.3,
    validation_accuracy=0.85,
    seconds=0.5,
    best=True,
)
STORY: list[RunEvent] = [
    Queued(attempt=1),
    EPOCH,
    Retrying(attempt=2, reason="worker_lost"),
    progress.Testing(best_epoch=1),
    Stopped(epochs=1),
]


async def test_a_run_is_followed_from_the_start_to_its_last_event(queue: Queue) -> None:
    for event in STORY:
        await queue.publish(7, event)
    await queue.publish(8, Queued(attempt=1))
    assert [event async for _, event in follow(queue.redis, 7)] == STORY


async def test_a_reconnecting_page_misses_nothing_and_sees_nothing_twice(queue: Queue) -> None:
    for event in STORY:
        await queue.publish(7, event)
    everything = [entry async for entry in follow(queue.redis, 7)]
    for place, (last_seen, _) in enumerate(everything[:-1]):
        assert [entry async for entry in follow(queue.redis, 7, last_seen)] == everything[place + 1 :]


async def test_news_is_waited_for_and_silence_is_told(queue: Queue) -> None:
    async with aclosing(follow(queue.redis, 7, quiet_seconds=0.05)) as entries:
        assert await anext(entries) == ("0-0", None)
        await queue.publish(7, EPOCH)
        entry_id, event = await anext(entries)
        assert event == EPOCH
        assert await anext(entries) == (entry_id, None)


@pytest.mark.parametrize("after", ["", "$", "x", "1-x", "-1", "²-0", "1 2"])
async def test_what_is_no_stream_id_is_refused(queue: Queue, after: str) -> None:
    with pytest.raises(ValueError, match="stream id"):
        await anext(follow(queue.redis, 7, after))


async def test_a_stream_is_not_kept_for_ever(queue: Queue) -> None:
    await queue.publish(7, EPOCH)
    assert 3600 < await queue.redis.ttl("run:7") <= 24 * 3600


async def test_a_broker_that_is_away_is_told_and_found_again(broker: Broker, queue: Queue) -> None:
    await queue.publish(7, EPOCH)
    await broker.stop()
    with pytest.raises(BrokerAwayError):
        await queue.publish(7, Stopped(epochs=1))
    with pytest.raises(BrokerAwayError):
        await anext(follow(queue.redis, 7))
    await broker.start()
    await queue.publish(7, Stopped(epochs=1))
    assert [event async for _, event in follow(queue.redis, 7)] == [EPOCH, Stopped(epochs=1)]
