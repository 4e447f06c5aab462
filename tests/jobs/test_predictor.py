"""The real predictor of a real interactive worker: its answers, the networks that it caches, and what a kill does."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from redis.asyncio.client import PubSub

from scv.blocks.document import Block, Document
from scv.db.engine import Database
from scv.db.tables import User
from scv.errors import TooLargeError
from scv.jobs import predict_client
from scv.jobs.broker import Broker
from scv.jobs.events import BrokerAwayError
from scv.jobs.predict_client import MOST_BYTES, Answer, PredictorAwayError, ask
from scv.jobs.predictor import Networks, answer_to
from scv.jobs.predictor_supervisor import keep_predictor
from scv.jobs.queue import Queue
from scv.jobs.worker import end_task
from scv.settings import Settings
from tests.jobs.conftest import StartWorker, until
from tests.jobs.serving import processes
from tests.jobs.trained import add_trained_run, digit

pytestmark = pytest.mark.engines("sqlite")

LINEAR = Document(blocks=(Block("f1", "Flatten"), Block("l1", "Linear", {"out_features": 10})))


def predictors(settings: Settings) -> list[int]:
    """The process ids of this installation's predictors."""
    return [pid for _, pid in processes(settings, {"scv.jobs.predictor"})]


async def until_a_predictor(settings: Settings, *others: int) -> int:
    async def there() -> bool:
        return bool(set(predictors(settings)) - set(others))

    await until(there)
    return (set(predictors(settings)) - set(others)).pop()


@pytest.fixture
async def weights(database: Database, data_dir: Path) -> str:
    """The key of a network's that reads Digits."""
    async with database.writing() as session:
        user = User(name="Ada")
        session.add(user)
    run = await add_trained_run(database, data_dir, user)
    assert run.weights is not None
    return run.weights


def best(answer: Answer) -> str:
    assert answer.prediction is not None, answer.problem
    return answer.prediction.guesses[0].name


def everything(folder: Path) -> bytes:
    """All bytes of all files, the broker's append-only file among them, and all names."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() + str(path).encode() for path in paths)


async def test_it_answers_with_every_step_and_stores_nothing(
    start_worker: StartWorker, queue: Queue, weights: str, data_dir: Path
) -> None:
    await start_worker(queue="interactive")
    image = digit(3)
    answer = await queue.ask(weights, image)
    assert best(answer) == "3"
    assert answer.prediction is not None
    assert answer.prediction.familiarity is not None
    assert len(answer.steps) >= 4
    assert answer.steps[-1].image.width == 28
    assert answer.overlay is not None
    kept = everything(data_dir)
    for something in (image, answer.overlay.png, *(step.image.png for step in answer.steps)):
        assert something[60:120] not in kept
    assert b"scv:claimed:" in kept, "the append-only file was not looked into"


async def test_a_bad_image_has_its_reason_and_the_steps_so_far(
    start_worker: StartWorker, queue: Queue, weights: str
) -> None:
    await start_worker(queue="interactive")
    broken = await queue.ask(weights, digit(3)[:100])
    assert broken.prediction is None
    assert "not an image that can be read" in str(broken.problem)
    blank = BytesIO()
    Image.new("L", (100, 100), 255).save(blank, "PNG")
    empty = await queue.ask(weights, blank.getvalue())
    assert "No writing" in str(empty.problem)
    assert len(empty.steps) == 1


async def test_several_ask_at_once_and_each_gets_their_own_answer(
    start_worker: StartWorker, queue: Queue, weights: str
) -> None:
    await start_worker(queue="interactive")
    digits = [0, 3, 4, 6, 7, 9]
    answers = await asyncio.gather(*(queue.ask(weights, digit(label)) for label in digits))
    assert [best(answer) for answer in answers] == list(map(str, digits))


async def test_a_killed_predictor_comes_back_and_the_question_is_asked_again(
    start_worker: StartWorker, settings: Settings, queue: Queue, weights: str
) -> None:
    await start_worker(queue="interactive")
    first = await until_a_predictor(settings)
    os.kill(first, signal.SIGKILL)
    assert best(await queue.ask(weights, digit(4))) == "4"
    second = await until_a_predictor(settings, first)
    # Now in the middle of an answer: it is frozen once it has the question, and then killed.
    os.kill(second, signal.SIGSTOP)
    question = asyncio.create_task(queue.ask(weights, digit(6)))
    await asyncio.sleep(0.5)
    os.kill(second, signal.SIGKILL)
    assert best(await question) == "6"


async def test_it_ends_with_its_worker_however_that_ends(start_worker: StartWorker, settings: Settings) -> None:
    killed = await start_worker(queue="interactive")
    first = await until_a_predictor(settings)
    await killed.kill()

    async def gone() -> bool:
        return not predictors(settings)

    await until(gone)
    ended = await start_worker(queue="interactive")
    assert await until_a_predictor(settings, first)
    await ended.end()
    assert predictors(settings) == []


async def test_two_predictors_share_the_questions_and_none_is_answered_twice(
    settings: Settings, queue: Queue, weights: str
) -> None:
    supervisors = [asyncio.create_task(keep_predictor(settings, set())) for _ in range(2)]
    try:

        async def both() -> bool:
            ((_, count),) = await queue.redis.pubsub_numsub(predict_client.ASKED)
            return bool(count == 2)

        await until(both)
        answers = await asyncio.gather(*(queue.ask(weights, digit(7)) for _ in range(8)))
        assert {best(answer) for answer in answers} == {"7"}
        claimed = [key async for key in queue.redis.scan_iter(match="scv:claimed:*")]
        assert len(claimed) == 8
    finally:
        for supervisor in supervisors:
            await end_task(supervisor)
    assert predictors(settings) == []


async def test_who_does_not_wait_any_more_is_not_answered(
    start_worker: StartWorker, settings: Settings, queue: Queue, weights: str
) -> None:
    await start_worker(queue="interactive")
    assert best(await queue.ask(weights, digit(1))) == "1"
    (pid,) = predictors(settings)
    os.kill(pid, signal.SIGSTOP)
    question = asyncio.create_task(queue.ask(weights, digit(2)))
    await asyncio.sleep(0.5)
    question.cancel()
    with suppress(asyncio.CancelledError):
        await question
    async with queue.redis.pubsub() as news:
        await news.psubscribe("scv:image:*", "scv:answer:*")
        await news.get_message(timeout=5)
        await news.get_message(timeout=5)
        os.kill(pid, signal.SIGCONT)
        heard = [message async for message in _heard(news, 1.5)]
    # It claimed the question, said that it was ready, to nobody, and let it be.
    assert [name for name in heard if b"image" in name] == []
    assert len(heard) == 1
    assert best(await queue.ask(weights, digit(3))) == "3"


async def _heard(news: PubSub, seconds: float) -> AsyncIterator[bytes]:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                message = await news.get_message(ignore_subscribe_messages=True, timeout=0.2)
                if message is not None:
                    yield message["channel"]


async def test_without_a_predictor_or_a_broker_or_room_it_says_so(queue: Queue, broker: Broker) -> None:
    with pytest.raises(PredictorAwayError, match="not available"):
        await ask(queue.redis, "runs/1/weights.safetensors", b"x", start_seconds=0.3)
    with pytest.raises(TooLargeError, match="16 MB"):
        await queue.ask("runs/1/weights.safetensors", bytes(MOST_BYTES + 1))
    await broker.kill()
    with pytest.raises(BrokerAwayError):
        await queue.ask("runs/1/weights.safetensors", b"x")


async def test_the_last_few_networks_stay_warm_and_changed_weights_are_read_again(
    database: Database, data_dir: Path, weights: str
) -> None:
    source = data_dir / "files" / weights
    networks = Networks(data_dir, most=2)
    paths = [data_dir / f"{name}.safetensors" for name in "abc"]
    for path in paths:
        shutil.copy(source, path)
    first = networks.get(paths[0])
    assert networks.get(paths[0]) is first
    networks.get(paths[1])
    networks.get(paths[0])
    networks.get(paths[2])
    assert networks.kept == [paths[0], paths[2]]
    os.utime(paths[0], (1, 1))
    assert networks.get(paths[0]) is not first
    small = Networks(data_dir, most_bytes=1)
    small.get(paths[0])
    small.get(paths[1])
    assert small.kept == [paths[1]]
    paths[1].unlink()
    assert "cannot be read" in str(answer_to(networks, paths[1], digit(1)).problem)


async def test_a_network_without_feature_maps_is_asked_by_covering(database: Database, data_dir: Path) -> None:
    async with database.writing() as session:
        user = User(name="Ada")
        session.add(user)
    run = await add_trained_run(database, data_dir, user, document=LINEAR)
    answer = answer_to(Networks(data_dir), data_dir / "files" / (run.weights or ""), digit(0))
    assert best(answer) == "0"
    assert answer.overlay is not None
    assert "occlusion: this network has no feature maps" in str(answer.about)
