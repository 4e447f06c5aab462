"""`python -m scv.jobs.predictor`: a process that has torch imported and the last few networks warm, and answers.

It answers one question after the other, by `asking`. Nothing of an image is written anywhere, not to its log either.
"""

import asyncio
import io
import os
import secrets
import sys
import threading
import warnings
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog
from PIL import Image
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from scv.data.images import preprocess
from scv.data.images.preprocess import Form, OwnImageError, form_of, see
from scv.files import Files
from scv.jobs.predict_client import (
    ASKED,
    Answer,
    AnswerStep,
    Asked,
    PngImage,
    PredictorReady,
    answer_channel,
    read_asked,
    without_number,
    write,
)
from scv.jobs.queue import open_redis
from scv.log import configure_log
from scv.message import say
from scv.ml.errors import NoNumbersError, WeightsError
from scv.ml.explain.explain_prediction import explain
from scv.ml.explain.out_of_distribution import Detector, detector_of
from scv.ml.trained import Trained, load_trained
from scv.settings import Settings

_NETWORKS = 4
_MOST_BYTES = 1 << 29
"""So much the weights of the warm networks may take together; the newest one stays in any case."""

_LEARN_SECONDS = 2.0
"""How long a first answer waits for what the network is familiar with; later ones have it."""

_WAITING = 1000
"""So many questions are remembered; who asks beyond asks again."""

_IMAGE_SECONDS = 10.0
_CLAIM_SECONDS = 60

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)
_PAUSE = 0.2

_INTERNAL = say("The answer stopped because of an error in the program. The interactive worker's log has the details.")
_STILL_LEARNING = say("Whether this image is like the training images is still being computed. Try again shortly.")


@dataclass
class Warm:
    """A network ready to answer; `stamp` changes with its file."""

    stamp: tuple[int, int]
    trained: Trained
    form: Form
    bytes: int
    learning: Future[Detector | None]


class Networks:
    """The networks that were asked last, with what they are familiar with."""

    def __init__(self, data_dir: Path, most: int = _NETWORKS, most_bytes: int = _MOST_BYTES) -> None:
        self._data_dir, self._most, self._most_bytes = data_dir, most, most_bytes
        self._warm: OrderedDict[Path, Warm] = OrderedDict()
        self._learner = ThreadPoolExecutor(1, "familiar")

    @property
    def kept(self) -> list[Path]:
        """The weights of those that are warm, the newest last."""
        return list(self._warm)

    def get(self, path: Path) -> Warm:
        """The network with these weights. Raises `WeightsError`."""
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
        except OSError:
            stamp = (0, 0)  # which loading will tell
        warm = self._warm.pop(path, None)
        if warm is None or warm.stamp != stamp:
            trained = load_trained(path)
            info = trained.info
            warm = Warm(
                stamp=stamp,
                trained=trained,
                form=form_of(info.dataset, info.input_shape, self._data_dir),
                bytes=stamp[1],
                learning=self._learner.submit(detector_of, path, trained, self._data_dir),
            )
        self._warm[path] = warm
        while len(self._warm) > 1 and (
            len(self._warm) > self._most or sum(other.bytes for other in self._warm.values()) > self._most_bytes
        ):
            _, old = self._warm.popitem(last=False)
            old.learning.cancel()
        return warm


def answer_to(networks: Networks, path: Path, image: bytes) -> Answer:
    """The answer of the network with these weights; whatever goes wrong is said in it."""
    try:
        return _answer(networks, path, image)
    except OwnImageError as error:
        return Answer(steps=_drawn(error.steps), problem=error.message)
    except WeightsError as error:
        return Answer(problem=error.message)
    except Exception:
        log.exception("an image could not be answered")
        return Answer(problem=_INTERNAL)


def _answer(networks: Networks, path: Path, image: bytes) -> Answer:
    warm = networks.get(path)
    seen = see(image, warm.form)
    detector, notes = None, list(seen.notes)
    try:
        detector = warm.learning.result(_LEARN_SECONDS)
    except TimeoutError:
        notes.append(_STILL_LEARNING)
    except Exception:
        log.exception("whether an image is unusual cannot be told")
    try:
        explained = explain(warm.trained, seen.pixels, detector)
    except NoNumbersError as error:
        return Answer(steps=_drawn(seen.steps), problem=error.message)
    overlay = None if explained.overlay is None else _png(Image.fromarray(explained.overlay.transpose(1, 2, 0)))
    return Answer(
        steps=_drawn(seen.steps),
        notes=(*notes, *explained.prediction.notes),
        prediction=explained.prediction,
        overlay=overlay,
        about=explained.about,
    )


def _drawn(steps: tuple[preprocess.Step, ...]) -> tuple[AnswerStep, ...]:
    return tuple(AnswerStep(step.text, _png(step.image)) for step in steps)


def _png(image: Image.Image) -> PngImage:
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=1)
    return PngImage(content.getvalue(), image.width, image.height)


class Predictor:
    """Listens to the broker and answers; several of them share the questions."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._files = Files(settings.data_dir / "files")
        self._networks = Networks(settings.data_dir)
        self._channel = f"scv:image:{secrets.token_hex(8)}"
        self._waiting: OrderedDict[str, Asked] = OrderedDict()
        self._some = asyncio.Event()
        self._images: dict[str, asyncio.Future[bytes]] = {}

    async def listen_for_ever(self) -> None:
        """Take questions and images as they come, until cancelled; takes up again with a broker that was away."""
        while True:
            with suppress(RedisError, OSError):
                async with self._redis.pubsub() as news:
                    await news.subscribe(ASKED, self._channel)
                    await self._listen(news)
            await asyncio.sleep(_PAUSE)

    async def _listen(self, news: PubSub) -> None:
        while True:
            message = await news.get_message(ignore_subscribe_messages=True, timeout=1.0)
            if message is None:
                continue
            if message["channel"].decode() == ASKED:
                with suppress(msgspec.DecodeError):  # of another version of SCV
                    self._hear(read_asked(message["data"]))
            else:
                number, image = without_number(message["data"])
                if (future := self._images.get(number)) is not None and not future.done():
                    future.set_result(image)

    def _hear(self, asked: Asked) -> None:
        if len(self._waiting) < _WAITING:
            self._waiting.setdefault(asked.number, asked)
            self._some.set()

    async def answer_for_ever(self) -> None:
        """Answer what waits, the oldest question first, until cancelled."""
        while True:
            await self._some.wait()
            while self._waiting:
                _, asked = self._waiting.popitem(last=False)
                with suppress(RedisError, OSError):  # the asker sees that its broker is away
                    await self._answer(asked)
            self._some.clear()

    async def _answer(self, asked: Asked) -> None:
        """Claim the question, if nobody else has, get the image, if somebody still waits, and answer."""
        if not await self._redis.set(f"scv:claimed:{asked.number}", b"", nx=True, ex=_CLAIM_SECONDS):
            return
        to = answer_channel(asked.number)
        self._images[asked.number] = asyncio.get_running_loop().create_future()
        try:
            if not await self._redis.publish(to, write(PredictorReady(self._channel))):
                return
            image = await asyncio.wait_for(self._images[asked.number], _IMAGE_SECONDS)
        except TimeoutError:
            return
        finally:
            del self._images[asked.number]
        try:
            path = self._files.path(asked.weights)
        except ValueError:
            answer = Answer(problem=say("This run has no weights."))
        else:
            answer = await asyncio.to_thread(answer_to, self._networks, path, image)
        await self._redis.publish(to, write(answer))


async def serve(settings: Settings) -> None:
    """Answer until cancelled."""
    redis = open_redis(settings, retries=1)
    try:
        predictor = Predictor(redis, settings)
        async with asyncio.TaskGroup() as group:
            group.create_task(predictor.listen_for_ever())
            group.create_task(predictor.answer_for_ever())
    finally:
        await redis.aclose(close_connection_pool=True)


def _end_with_worker() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    settings = Settings.from_environment()
    configure_log(settings.log_format, "predictor")
    os.dup2(2, 1)  # nobody reads what is printed
    warnings.simplefilter("ignore")  # what Pillow thinks of an image's fields belongs in no log
    threading.Thread(target=_end_with_worker, daemon=True).start()
    asyncio.run(serve(settings))


if __name__ == "__main__":
    main()
