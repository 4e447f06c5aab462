"""Predictions for a user's own images: files, a drawing, or the camera. The images are not stored."""

import asyncio
import base64
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from litestar import Controller, Response, get, post
from litestar.exceptions import ClientException
from litestar.params import FromPath

from scv.data.official.catalogue import DatasetInfo
from scv.db import runs
from scv.db.tables import Model, Run, User, Version
from scv.errors import RefusedError, SCVError
from scv.jobs.events import BrokerAwayError
from scv.jobs.predict_client import Answer, PngImage, PredictorAwayError
from scv.message import Message, foreign, say
from scv.web.blocks_view.place import version_path
from scv.web.datasets.lookup import dataset_of, is_gone
from scv.web.http.context import AppServices, Context, SignedIn
from scv.web.http.render import AnyRequest
from scv.web.http.security import STREAMED
from scv.web.http.services import Services
from scv.web.http.uploads import Held, HeldFile, held_by

TEMPLATE = "runs/try.html"

MOST_IMAGES = 20
"""The most images of one form that get a prediction."""

MOST_BYTES = 48 * 2**20
"""The largest form, in bytes."""

NO_WEIGHTS = say(
    "This run has no weights that could answer. Let it train to its end, or stop it after its first epoch."
)
_TOO_LARGE = say("These images are too large to send at once: at most {size} MB.", size=MOST_BYTES // 2**20)

Tool = Literal["draw", "files", "camera"]

T = TypeVar("T")


@dataclass(frozen=True)
class TriedImage:
    """The answer for one image with the name of its file. `away` says that the predictor did not answer."""

    name: str
    answer: Answer
    away: bool = False

    @property
    def spread(self) -> float:
        """The entropy of the prediction as a share of the largest possible one: 0 where the network is sure."""
        told = self.answer.prediction
        return 0.0 if told is None or not told.most_entropy else min(1.0, told.entropy / told.most_entropy)


@dataclass(frozen=True, kw_only=True)
class TryPage:
    """A run, and its answers for the images that were sent. `more` is the number of images without an answer.

    `mute` says that the run has no weights and cannot predict; `live` that the image comes from a pen or a camera.
    """

    run: Run
    model: Model
    version: Version
    dataset: DatasetInfo
    outcomes: tuple[TriedImage, ...] = ()
    problem: Message | None = None
    more: int = 0
    live: bool = False
    mute: bool = False

    most = MOST_BYTES
    too_large = _TOO_LARGE
    most_images = MOST_IMAGES

    @property
    def here(self) -> str:
        return f"/runs/{self.run.id}/try"

    @property
    def gone(self) -> bool:
        """Whether the images of its dataset were deleted."""
        return is_gone(self.run)

    @property
    def version_href(self) -> str:
        return version_path(self.model.id, self.version.number)

    @property
    def validated(self) -> float | None:
        """The best accuracy on the validation images. A stopped run has no other accuracy."""
        return max((metric.validation_accuracy for metric in self.run.metrics), default=None)

    @property
    def short(self) -> bool:
        """Whether all class names are so short that their column may be narrow."""
        return max(map(len, self.dataset.class_names)) <= 3

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The ways to send an image. Drawing comes first for handwriting, the camera for photos."""
        if self.dataset.shape[0] == 1 and not self.dataset.backdrop:
            return ("draw", "files", "camera")
        return ("camera", "files", "draw")

    def source(self, image: PngImage) -> str:
        """The image as a data URL: it is not stored, so it has no address."""
        return f"data:image/png;base64,{base64.b64encode(image.png).decode()}"


class TryController(Controller):
    path = "/runs/{run_id:int}/try"

    @get()
    async def show(
        self, context: Context, user: SignedIn, services: AppServices, run_id: FromPath[int]
    ) -> Response[str]:
        run, weights = await _load(services, user, run_id)
        return services.renderer.respond(context, TEMPLATE, _page(run, mute=weights is None))

    @post(status_code=200, opt=STREAMED, request_max_body_size=None)
    async def ask(
        self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices, run_id: FromPath[int]
    ) -> Response[Any]:
        """Predict each image. A live image without an answer is no error: the next one follows at once."""
        run, weights = await _load(services, user, run_id)
        if weights is None:
            raise RefusedError(NO_WEIGHTS)
        sent = await held_by(request, user.id, MOST_BYTES, _TOO_LARGE)
        live = bool(sent.fields.get("live"))
        problem = None if sent.files else say("Choose an image first.")
        outcomes = await _unless_gone(request, _ask(services, weights, sent))
        page = _page(run, outcomes=outcomes, problem=problem, more=max(0, len(sent.files) - MOST_IMAGES), live=live)
        status = 200
        if any(outcome.away for outcome in outcomes):
            status = 503
        elif not live and all(outcome.answer.prediction is None for outcome in outcomes):
            status = 422
        return services.renderer.respond(
            context, TEMPLATE, page, block="answers" if request.htmx else None, status=status
        )


def _page(run: Run, **told: Any) -> TryPage:
    return TryPage(run=run, model=run.version.model, version=run.version, dataset=dataset_of(run), **told)


async def _load(services: Services, user: User, run_id: int) -> tuple[Run, str | None]:
    """The user's run, and the key of its weights or None. Raises `NotFoundError`."""
    async with services.database.reading() as session:
        run = await runs.get_visible_run(session, user, run_id)
    with suppress(ValueError):  # no key of ours
        return run, services.files.existing(run.weights) if run.weights else None
    return run, None


async def _ask(services: Services, weights: str, sent: Held) -> tuple[TriedImage, ...]:
    """Predict one image after the other, so that the images of other users get their turn in between."""
    return tuple([await _ask_about(services, weights, file) for file in sent.files[:MOST_IMAGES]])


async def _ask_about(services: Services, weights: str, file: HeldFile) -> TriedImage:
    name = foreign(file.name)
    try:
        return TriedImage(name, await services.queue.ask(weights, file.content))
    except SCVError as error:
        away = isinstance(error, PredictorAwayError | BrokerAwayError)
        return TriedImage(name, Answer(problem=error.message), away)


async def _unless_gone(request: AnyRequest, work: Awaitable[T]) -> T:
    """The result of the work. The work is cancelled when the browser closes the connection."""
    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientException  # nobody reads the answer
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _gone(request: AnyRequest) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
