"""Questions to the predictor: what a trained network says of an image.

All of it goes by publish and subscribe, which the broker writes nowhere: images are not stored. The asker listens on
a channel of its own and publishes that it asks; a predictor that is free claims the question, says where it listens,
gets the image there, and answers. So an image goes to one predictor only, and only when that one turns to it; and
an asker that listens no more, since its browser is gone, costs nothing.
"""

import asyncio
import secrets

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from scv.errors import SCVError, TooLargeError
from scv.jobs.events import broker_needed
from scv.message import Message, say
from scv.report.prediction import Prediction

ASKED = "scv:asked"
"""The channel on which questions are published."""

MOST_BYTES = 16 * 2**20
"""The largest image file that can be asked about: half of what the broker holds for a subscriber at most."""

ANSWER_SECONDS = 45.0
"""How long an answer may take, all in all."""

START_SECONDS = 8.0
"""How long a predictor that is not there is waited for: it may just be starting."""

_LOOK_SECONDS = 1.0
_AGAIN_SECONDS = 0.2

TOO_LARGE = say("The image is too large: {size} MB are the most here.", size=MOST_BYTES // 2**20)
_AWAY = say("Predictions are not available at the moment. Please try again shortly.")
_SLOW = say("The answer took too long: the server is busy. Please try again shortly.")
_LOST = say("The prediction process ended because of this image. Try another one.")


class PredictorAwayError(SCVError):
    """Nobody answers at the moment."""


class Asked(msgspec.Struct, frozen=True):
    """Somebody asks a network, by the key of its weights, about an image. `number` names the question."""

    number: str
    weights: str


class PredictorReady(msgspec.Struct, tag="ready", frozen=True):
    """The predictor that listens on this channel has claimed the question and wants the image."""

    channel: str


class PngImage(msgspec.Struct, frozen=True):
    """A small image to be shown: a PNG file."""

    png: bytes
    width: int
    height: int


class AnswerStep(msgspec.Struct, frozen=True):
    """What was done to the image, and how it looked afterwards."""

    text: Message
    image: PngImage


class Answer(msgspec.Struct, tag="answer", frozen=True, kw_only=True):
    """What came of a question.

    `steps` lead to what the network sees. Where there is no `prediction`, `problem` says why. `notes` are to be read
    beside the answer. `overlay` shows what in the image the first guess comes from; `about` says how to read it, or
    why there is none.
    """

    steps: tuple[AnswerStep, ...] = ()
    notes: tuple[Message, ...] = ()
    prediction: Prediction | None = None
    problem: Message | None = None
    overlay: PngImage | None = None
    about: Message | None = None


_read_asked = msgspec.msgpack.Decoder(Asked).decode
_read_told = msgspec.msgpack.Decoder(PredictorReady | Answer).decode
write = msgspec.msgpack.Encoder().encode


def read_asked(data: bytes) -> Asked:
    """What was published on `ASKED`. Raises `msgspec.DecodeError`."""
    return _read_asked(data)


def answer_channel(number: str) -> str:
    """Where the asker of a question listens."""
    return f"scv:answer:{number}"


def with_number(number: str, image: bytes) -> bytes:
    """An image as it goes to a predictor's channel."""
    return number.encode() + image


def without_number(data: bytes) -> tuple[str, bytes]:
    """The question's number and its image."""
    return data[:16].decode(errors="replace"), data[16:]


async def ask(
    redis: Redis,
    weights: str,
    image: bytes,
    *,
    seconds: float = ANSWER_SECONDS,
    start_seconds: float = START_SECONDS,
) -> Answer:
    """Ask the network whose weights have this key about an image, a file's bytes.

    Raises `TooLargeError`, `PredictorAwayError` and `BrokerAwayError`. When it is cancelled, nothing is computed.
    """
    if len(image) > MOST_BYTES:
        raise TooLargeError(TOO_LARGE)
    try:
        async with asyncio.timeout(seconds):
            for _ in range(2):  # a predictor that was lost may have been killed by something else
                with broker_needed():
                    answer = await _ask_once(redis, weights, image, start_seconds)
                if answer is not None:
                    return answer
    except TimeoutError as error:
        raise PredictorAwayError(_SLOW) from error
    raise PredictorAwayError(_LOST)


async def _ask_once(redis: Redis, weights: str, image: bytes, start_seconds: float) -> Answer | None:
    """The answer; None where the predictor that had the image is gone."""
    asked = Asked(secrets.token_hex(8), weights)
    async with redis.pubsub() as news:
        await news.subscribe(answer_channel(asked.number))
        while (await news.get_message(timeout=_LOOK_SECONDS)) is None:  # until the broker has confirmed it
            pass
        channel = await _claimed(redis, news, asked, start_seconds)
        await redis.publish(channel, with_number(asked.number, image))
        while True:
            data = await _next(news)
            if data is None:
                if not await _listeners(redis, channel):
                    return None
            elif isinstance(told := _read_told(data), Answer):
                return told


async def _claimed(redis: Redis, news: PubSub, asked: Asked, start_seconds: float) -> str:
    """Ask until a predictor has claimed the question; its channel."""
    loop = asyncio.get_running_loop()
    heard = loop.time()
    while True:
        if not await redis.publish(ASKED, write(asked)):
            if loop.time() - heard > start_seconds:
                raise PredictorAwayError(_AWAY)
            await asyncio.sleep(_AGAIN_SECONDS)
            continue
        heard = loop.time()
        data = await _next(news)  # a predictor that was killed forgets what it was asked: so it is asked again
        if data is not None and isinstance(told := _read_told(data), PredictorReady):
            return told.channel


async def _next(news: PubSub) -> bytes | None:
    """What is said within a second."""
    message = await news.get_message(ignore_subscribe_messages=True, timeout=_LOOK_SECONDS)
    return None if message is None else bytes(message["data"])


async def _listeners(redis: Redis, channel: str) -> int:
    ((_, count),) = await redis.pubsub_numsub(channel)
    return int(count)
