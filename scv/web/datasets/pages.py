"""The datasets: what there is, images of each class, and how what is not here yet comes here."""

from asyncio import to_thread
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar_htmx import ClientRefresh

from scv.data.official.catalogue import DATASETS, DatasetInfo, UnknownDatasetError, find
from scv.data.resident import Resident, ResidentError, is_prepared
from scv.db import datasets, models, tasks
from scv.db.access import owns
from scv.db.models import ModelPage
from scv.errors import NotFoundError
from scv.message import Message, say
from scv.web.datasets.browse import ClassRow, browse, count, opened
from scv.web.datasets.images import single, strip
from scv.web.datasets.lookup import find_for
from scv.web.datasets.own_card import OwnCard, dropping_address, own_card, own_page_for
from scv.web.datasets.state import DatasetState, look_at, request_preparation, state_of, states_of
from scv.web.http.context import AppServices, Context, SignedIn
from scv.web.http.forms import page_before
from scv.web.http.render import AnyRequest
from scv.web.tasks.view import wake_worker

_KEPT = {"Cache-Control": "private, max-age=86400"}


@dataclass(frozen=True)
class SamplesPage:
    dataset: DatasetInfo
    samples_ready: bool
    samples_failure: Message | None


@dataclass(frozen=True)
class DatasetsPage:
    """The official datasets, the user's own and those that others published; `notices` are told once."""

    states: tuple[DatasetState, ...]
    mine: tuple[OwnCard, ...]
    shared: tuple[OwnCard, ...]
    notices: tuple[Message, ...]


@dataclass(frozen=True)
class DatasetPage:
    """One dataset. `resident` and `classes` are there once it is ready; `folder` is where its files belong, and
    `missing` are those that are not there."""

    state: DatasetState
    folder: Path
    missing: tuple[str, ...]
    resident: Resident | None
    classes: tuple[ClassRow, ...]
    models: ModelPage

    @property
    def dataset(self) -> DatasetInfo:
        return self.state.dataset


def _official(name: str) -> DatasetInfo:
    try:
        return find(name)
    except UnknownDatasetError as error:
        raise NotFoundError(say("There is no such dataset.")) from error


class DatasetController(Controller):
    path = "/datasets"

    @get()
    async def index(self, context: Context, user: SignedIn, services: AppServices) -> Response[str]:
        async with services.database.reading() as session:
            found = await datasets.list_visible_datasets(session, user)
            told = await datasets.has_notices(session, user)
        notices: list[Message] = []
        if told:
            async with services.database.writing() as session:
                notices = await datasets.take_notices(session, user)
        cards = [own_card(dataset) for dataset in found]
        page = DatasetsPage(
            states=await states_of(services, DATASETS.values()),
            mine=tuple(card for card in cards if owns(user, card.dataset)),
            shared=tuple(card for card in cards if not owns(user, card.dataset)),
            notices=tuple(notices),
        )
        return services.renderer.respond(context, "datasets/datasets.html", page)

    @get("/{name:str}")
    async def show(self, context: Context, user: SignedIn, services: AppServices, name: FromPath[str]) -> Response[Any]:
        if name not in DATASETS:
            return Redirect(await own_page_for(services, user, name), status_code=303)
        dataset = _official(name)
        state = await look_at(services, user, dataset)
        async with services.database.reading() as session:
            listed = await models.list_owned_models(session, user, dataset=name)
        resident = opened(services.settings.data_dir, name) if state.kind == "ready" else None
        page = DatasetPage(
            state=state,
            folder=services.settings.data_dir / dataset.folder,
            missing=dataset.missing(services.settings.data_dir),
            resident=resident,
            classes=count(resident) if resident else (),
            models=listed,
        )
        return services.renderer.respond(context, "datasets/dataset.html", page)

    @get("/{name:str}/state")
    async def state(
        self, context: Context, user: SignedIn, services: AppServices, name: FromPath[str]
    ) -> Response[Any]:
        """How far it is, for the page to ask again and again; once that has ended the page is loaded anew."""
        state = await look_at(services, user, _official(name))
        if state.task is None or not state.task.working:
            return ClientRefresh()
        return services.renderer.respond(context, "components/task.html", state.task)

    @post("/{name:str}/stop")
    async def stop(self, request: AnyRequest, user: SignedIn, services: AppServices, name: FromPath[str]) -> Redirect:
        """Stop the download; what is whole already stays."""
        _official(name)
        async with services.database.writing() as session:
            task = await tasks.find(session, "prepare", name)
            if task is not None:
                await tasks.request_stop(session, task)
        return Redirect(f"/datasets/{name}", status_code=303)

    @get("/{name:str}/samples")
    async def samples(
        self, context: Context, user: SignedIn, services: AppServices, name: FromPath[str]
    ) -> Response[str]:
        """The strip of images; while they are being prepared it asks again by itself, until that failed."""
        dataset = await find_for(services, user, name)
        state = await state_of(services, dataset)
        obstacle = state.obstacle if name in DATASETS else None  # else nothing can be tried again
        page = SamplesPage(dataset, state.kind == "ready", obstacle)
        return services.renderer.respond(context, "datasets/samples.html", page)

    @post("/{name:str}/samples")
    async def prepare(
        self, request: AnyRequest, user: SignedIn, services: AppServices, name: FromPath[str]
    ) -> Response[Any]:
        """Download it, or try again what failed, and go back to the page that the button was on."""
        dataset = _official(name)
        if not is_prepared(services.settings.data_dir, name):
            await request_preparation(services, user, dataset)
            await wake_worker(services)
        return Redirect(page_before(request), status_code=303)

    @get("/{name:str}/samples.png")
    async def image(self, user: SignedIn, services: AppServices, name: FromPath[str]) -> Response[Any]:
        """One real image of each class, side by side."""
        await find_for(services, user, name)
        return await _png(strip, services.settings.data_dir, name)

    @get("/{name:str}/classes/{number:int}")
    async def images_of_class(
        self, user: SignedIn, services: AppServices, name: FromPath[str], number: FromPath[int]
    ) -> Response[Any]:
        """Some real images of one class, side by side; classes count from 0."""
        if number not in range((await find_for(services, user, name)).classes):
            raise NotFoundError(say("There is no such class."))
        return await _png(strip, services.settings.data_dir, name, number)

    @get("/{name:str}/images/{part:str}/{index:int}")
    async def one(
        self, user: SignedIn, services: AppServices, name: FromPath[str], part: FromPath[str], index: FromPath[int]
    ) -> Response[Any]:
        """A single image, by its number in its part."""
        await find_for(services, user, name)
        if part not in ("train", "test"):
            raise NotFoundError(say("There is no such image."))
        return await _png(single, services.settings.data_dir, name, part, index)

    @get("/{name:str}/classes/{number:int}/images")
    async def look_through(
        self,
        request: AnyRequest,
        context: Context,
        user: SignedIn,
        services: AppServices,
        name: FromPath[str],
        number: FromPath[int],
    ) -> Response[str]:
        """All images of a class, a page of them at a time."""
        dataset = await find_for(services, user, name)
        resident = opened(services.settings.data_dir, name)
        if resident is None or number not in range(dataset.classes):
            raise NotFoundError(say("There is no such class."))
        official = name in DATASETS
        back = f"/datasets/{name}" if official else await own_page_for(services, user, name)
        drop_at = None if official else await dropping_address(services, user, name)
        page = browse(resident, dataset, number, request.query_params, back=back, drop_at=drop_at)
        return services.renderer.respond(context, "datasets/browse.html", page)


async def _png(draw: Callable[..., bytes], *about: Any) -> Response[Any]:
    """An image of a dataset, drawn beside other requests."""
    try:
        image = await to_thread(draw, *about)
    except ResidentError as error:
        raise NotFoundError(say("The images are being prepared.")) from error
    except IndexError as error:
        raise NotFoundError(say("There is no such image.")) from error
    return Response(image, media_type="image/png", headers=_KEPT)
