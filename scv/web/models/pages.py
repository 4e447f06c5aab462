"""The list of a user's models; pages to create, rename and delete a model and to change its dataset."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import parse_qsl, urlencode

from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from scv.blocks.document import Document, DocumentError
from scv.blocks.starters import STARTERS
from scv.data.official.catalogue import DATASETS, DatasetInfo
from scv.db import datasets, models, versions
from scv.db.models import NAME_LENGTH, ModelCard, ModelPage, Order, Sort
from scv.db.tables import Model, User, Version
from scv.errors import NotFoundError, RefusedError
from scv.files import run_folder
from scv.message import Message, say
from scv.training.settings import defaults
from scv.web.blocks_view.drawings import silhouette
from scv.web.blocks_view.place import version_path
from scv.web.blocks_view.starter_cards import StarterCard, starter_cards
from scv.web.datasets.lookup import find_for, states_for, title_if_known
from scv.web.datasets.state import DatasetState, state_of
from scv.web.http.context import AppServices, Context, SignedIn
from scv.web.http.forms import read_form
from scv.web.http.render import AnyRequest
from scv.web.http.services import Services

_OWN = re.compile(r"own-[0-9]{1,9}")
"""The name of an own dataset, which stands for all its versions."""


@dataclass(frozen=True)
class Filter:
    """Search, filters, order and page of the list, as the address holds them."""

    search: str = ""
    dataset: str = ""
    sort: Sort = "updated"
    order: Order = "newest"
    page: int = 1

    @classmethod
    def read(cls, query: Any) -> "Filter":
        """The filter of a query. Invalid values are ignored."""
        dataset, sort, order = query.get("dataset", ""), query.get("sort", ""), query.get("order", "")
        page = query.get("page", "1")
        return cls(
            search=query.get("search", "")[:NAME_LENGTH].replace("\0", ""),
            dataset=dataset if dataset in DATASETS or _OWN.fullmatch(dataset) else "",
            sort=sort if sort in get_args(Sort) else "updated",
            order=order if order in get_args(Order) else "newest",
            page=int(page) if page.isascii() and page.isdecimal() and len(page) < 7 else 1,
        )

    def href(self, page: int) -> str:
        """The address of another page of the same list."""
        fields = {"search": self.search, "dataset": self.dataset, "sort": self.sort, "order": self.order}
        return f"/models?{urlencode({**fields, 'page': page})}"

    @property
    def here(self) -> str:
        """The address of this page of the list."""
        return "/models" if self == Filter() else self.href(self.page)

    @property
    def query(self) -> str:
        """The query of this page of the list. Forms carry it, so that their answer shows the same page."""
        return self.here.partition("?")[2]

    @classmethod
    def of_form(cls, form: Mapping[str, str]) -> "Filter":
        return cls.read(dict(parse_qsl(form.get("list", "")[:1000])))


@dataclass(frozen=True)
class Card:
    """A model in the list, with the title of its dataset.

    `silhouette` holds the categories of its blocks from top to bottom; empty where the document cannot be read.
    """

    card: ModelCard
    dataset: str
    silhouette: tuple[str, ...]

    @property
    def href(self) -> str:
        return version_path(self.card.model.id, self.card.version.number)


@dataclass(frozen=True)
class ModelsPage:
    """A page of the list. `datasets` are the names and titles of the dataset filter."""

    filter: Filter
    listed: ModelPage
    cards: tuple[Card, ...]
    datasets: tuple[tuple[str, str], ...]
    problem: Message | None


@dataclass(frozen=True)
class NewModelPage:
    """The form for a new model, with the typed values after a refusal.

    `starter` is the name of the chosen starter; empty for none.
    """

    name: str
    dataset: str
    datasets: tuple[DatasetState, ...]
    most: int
    starters: tuple[StarterCard, ...]
    starter: str
    problem: Message | None


@dataclass(frozen=True)
class ModelDatasetPage:
    """The form to change the dataset of a model. `dataset` is the name of the chosen one."""

    model: Model
    dataset: str
    datasets: tuple[DatasetState, ...]
    problem: Message | None


class ModelController(Controller):
    path = "/models"

    @get()
    async def index(
        self,
        request: AnyRequest,
        context: Context,
        user: SignedIn,
        services: AppServices,
    ) -> Response[str]:
        page = await _models_page(services, user, Filter.read(request.query_params))
        block = "list" if request.htmx.target == "list" else None
        return services.renderer.respond(context, "models/models.html", page, block=block)

    @get("/new")
    async def new(self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices) -> Response[str]:
        page = await _new_page(services, user, dataset=request.query_params.get("dataset", ""))
        return services.renderer.respond(context, "models/new.html", page)

    @post("/new", status_code=200)
    async def create(
        self,
        request: AnyRequest,
        context: Context,
        user: SignedIn,
        services: AppServices,
    ) -> Response[Any]:
        form = await read_form(request)
        name, dataset, starter = form.get("name", ""), form.get("dataset", ""), form.get("starter", "")
        try:
            info = await _chosen(services, user, dataset)
            if starter and starter not in STARTERS:
                raise RefusedError(say("There is no such network to start from."))
            document = STARTERS[starter].build(info.shape, info.classes) if starter else Document()
            async with services.database.writing() as session:
                model = await models.create_model(session, user, name, dataset, document, defaults(info))
        except RefusedError as error:
            page = await _new_page(services, user, name, dataset, starter, error.message)
            return services.renderer.respond(context, "models/new.html", page, status=422)
        return Redirect(version_path(model.id, 1), status_code=303)

    @get("/{model_id:int}")
    async def newest(self, user: SignedIn, services: AppServices, model_id: FromPath[int]) -> Redirect:
        """Redirect to the newest version."""
        async with services.database.reading() as session:
            version = await versions.get_newest_visible_version(session, user, model_id)
        return Redirect(version_path(model_id, version.number), status_code=303)

    @get("/{model_id:int}/dataset")
    async def ask_for_dataset(
        self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices, model_id: FromPath[int]
    ) -> Response[str]:
        """The form to choose the dataset of the model."""
        page = await _dataset_page(services, user, model_id, request.query_params.get("dataset", ""))
        return services.renderer.respond(context, "models/change_dataset.html", page)

    @post("/{model_id:int}/dataset", status_code=200)
    async def choose_dataset(
        self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices, model_id: FromPath[int]
    ) -> Response[Any]:
        """Change the dataset of the model. Its runs keep theirs."""
        wanted = (await read_form(request)).get("dataset", "")
        try:
            info = await _chosen(services, user, wanted)
            async with services.database.writing() as session:
                await models.choose_dataset(session, user, model_id, info.name)
        except RefusedError as error:
            page = await _dataset_page(services, user, model_id, wanted, error.message)
            return services.renderer.respond(context, "models/change_dataset.html", page, status=422)
        return Redirect(f"/models/{model_id}", status_code=303)

    @post("/{model_id:int}/rename")
    async def rename(
        self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices, model_id: FromPath[int]
    ) -> Response[Any]:
        """Rename the model. A name that is refused is reported on the list."""
        form = await read_form(request)
        wanted = Filter.of_form(form)
        try:
            async with services.database.writing() as session:
                await models.rename_model(session, user, model_id, form.get("name", ""))
        except RefusedError as error:
            page = await _models_page(services, user, wanted, error.message)
            return services.renderer.respond(context, "models/models.html", page, status=422)
        return Redirect(wanted.here, status_code=303)

    @post("/{model_id:int}/delete")
    async def delete(
        self, request: AnyRequest, user: SignedIn, services: AppServices, model_id: FromPath[int]
    ) -> Redirect:
        """Delete the model, then the files of its runs."""
        wanted = Filter.of_form(await read_form(request))
        async with services.database.writing() as session:
            run_ids = await models.delete_model(session, user, model_id)
        for run_id in run_ids:
            services.files.delete(run_folder(run_id))
        return Redirect(wanted.here, status_code=303)


async def _models_page(services: Services, user: User, wanted: Filter, problem: Message | None = None) -> ModelsPage:
    async with services.database.reading() as session:
        listed = await models.list_owned_models(
            session,
            user,
            search=wanted.search,
            dataset=wanted.dataset,
            sort=wanted.sort,
            order=wanted.order,
            page=wanted.page,
        )
        own = await datasets.list_visible_datasets(session, user)
    cards = tuple(Card(card, title_if_known(card.model), _silhouette(card.version)) for card in listed.cards)
    known = [*((f"own-{one.id}", one.name) for one in own), *((info.name, info.title) for info in DATASETS.values())]
    return ModelsPage(wanted, listed, cards, tuple(known), problem)


def _silhouette(version: Version) -> tuple[str, ...]:
    try:
        return silhouette(version.document.blocks)
    except DocumentError:  # the page of the model reports it; here the model can still be deleted
        return ()


async def _chosen(services: Services, user: User, name: str) -> DatasetInfo:
    """The dataset of this name. Raises `RefusedError` where there is none, or its preparation failed."""
    try:
        info = await find_for(services, user, name)
    except NotFoundError as error:
        raise RefusedError(say("Choose a dataset.")) from error
    if (await state_of(services, info)).kind == "failed":
        raise RefusedError(
            say("{dataset} is not ready: its last preparation failed. Its page says why.", dataset=info.title)
        )
    return info


async def _dataset_page(
    services: Services, user: User, model_id: int, dataset: str, problem: Message | None = None
) -> ModelDatasetPage:
    async with services.database.reading() as session:
        model = await models.get_editable_model(session, user, model_id)
    states = await states_for(services, user, also=dataset or model.dataset)
    return ModelDatasetPage(model, dataset or model.dataset, states, problem)


async def _new_page(
    services: Services,
    user: User,
    name: str = "",
    dataset: str = "",
    starter: str = "",
    problem: Message | None = None,
) -> NewModelPage:
    states = await states_for(services, user, also=dataset)
    known = {state.dataset.name: state.dataset for state in states}
    chosen = dataset if dataset in known else next(iter(DATASETS))
    return NewModelPage(
        name=name,
        dataset=chosen,
        datasets=states,
        most=NAME_LENGTH,
        starters=starter_cards(known[chosen]),
        starter=starter,
        problem=problem,
    )
