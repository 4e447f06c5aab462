"""The datasets: what there is, pictures of each class, and how what is not here yet comes here."""

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from numpy.typing import NDArray
from PIL import Image

from scv.blocks.message import Message, say
from scv.data.catalogue import DATASETS, DatasetInfo, UnknownDatasetError, find
from scv.data.resident import (
    Resident,
    ResidentError,
    is_prepared,
    open_resident,
    sample_images,
    samples_of_class,
)
from scv.db import models
from scv.db.models import ModelPage
from scv.errors import NotFoundError
from scv.jobs.events import BrokerAwayError
from scv.jobs.failures import forget_preparation_failure, preparation_failure
from scv.jobs.underway import ask_for, ask_to_stop
from scv.web.dataset_state import DatasetState, look_at, state_of
from scv.web.dependencies import SignedIn, TheHouse, TheVisit
from scv.web.forms import page_before
from scv.web.render import AnyRequest

SIDE = 64
"""Pixels of one sample picture at least; smaller images are enlarged by a whole factor, without smoothing."""

GAP = 6

SHOWN = 10
"""So many pictures of each class are shown."""

_KEPT = {"Cache-Control": "private, max-age=86400"}


@dataclass(frozen=True)
class SamplesPage:
    dataset: DatasetInfo
    samples_ready: bool
    samples_failure: Message | None


@dataclass(frozen=True)
class DatasetsPage:
    states: tuple[DatasetState, ...]


@dataclass(frozen=True)
class ClassRow:
    """A class: how many images of it there are, and how many for every one of the largest class."""

    name: str
    train: int
    test: int
    share: float


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


def _find(name: str) -> DatasetInfo:
    try:
        return find(name)
    except UnknownDatasetError as error:
        raise NotFoundError(say("There is no such dataset.")) from error


class DatasetController(Controller):
    path = "/datasets"

    @get()
    async def index(self, visit: TheVisit, user: SignedIn, house: TheHouse) -> Response[str]:
        states = tuple(state_of(house.settings.data_dir, dataset) for dataset in DATASETS.values())
        return house.renderer.respond(visit, "pages/datasets.html", DatasetsPage(states))

    @get("/{name:str}")
    async def show(self, visit: TheVisit, user: SignedIn, house: TheHouse, name: FromPath[str]) -> Response[str]:
        dataset = _find(name)
        state = await look_at(house, dataset)
        async with house.database.reading() as session:
            listed = await models.list_models_for(session, user, dataset=name)
        resident = _open(house.settings.data_dir, name) if state.kind == "ready" else None
        page = DatasetPage(
            state=state,
            folder=house.settings.data_dir / dataset.folder,
            missing=dataset.missing(house.settings.data_dir),
            resident=resident,
            classes=_count(resident) if resident else (),
            models=listed,
        )
        return house.renderer.respond(visit, "pages/dataset.html", page)

    @get("/{name:str}/state")
    async def state(self, visit: TheVisit, user: SignedIn, house: TheHouse, name: FromPath[str]) -> Response[str]:
        """How far it is, for the page to ask again and again; once that has ended the page is loaded anew."""
        state = await look_at(house, _find(name))
        headers = {} if state.kind == "working" else {"HX-Refresh": "true"}
        return house.renderer.respond(visit, "partials/dataset_underway.html", state, headers=headers)

    @post("/{name:str}/stop")
    async def stop(self, request: AnyRequest, user: SignedIn, house: TheHouse, name: FromPath[str]) -> Redirect:
        """Stop the download; what is whole already stays."""
        _find(name)
        ask_to_stop(house.settings.data_dir, name)
        return Redirect(f"/datasets/{name}", status_code=303)

    @get("/{name:str}/samples")
    async def samples(self, visit: TheVisit, user: SignedIn, house: TheHouse, name: FromPath[str]) -> Response[str]:
        """The strip of pictures; while they are being prepared it asks again by itself, until that failed."""
        dataset = _find(name)
        data_dir = house.settings.data_dir
        page = SamplesPage(dataset, is_prepared(data_dir, name), preparation_failure(data_dir, name))
        return house.renderer.respond(visit, "partials/samples.html", page)

    @post("/{name:str}/samples")
    async def prepare(self, request: AnyRequest, user: SignedIn, house: TheHouse, name: FromPath[str]) -> Response[Any]:
        """Download it, or try again what failed, and go back to the page that the button was on."""
        _find(name)
        if not is_prepared(house.settings.data_dir, name):
            forget_preparation_failure(house.settings.data_dir, name)
            ask_for(house.settings.data_dir, name)
            with suppress(BrokerAwayError):  # the page that it goes back to asks for it as well
                await house.queue.enqueue_preparation(name)
        return Redirect(page_before(request), status_code=303)

    @get("/{name:str}/samples.png", sync_to_thread=True)
    def picture(self, user: SignedIn, house: TheHouse, name: FromPath[str]) -> Response[Any]:
        """One real picture of each class, side by side."""
        _find(name)
        try:
            picture = _strip(house.settings.data_dir, name)
        except ResidentError as error:
            raise NotFoundError(say("The pictures are being prepared.")) from error
        return Response(picture, media_type="image/png", headers=_KEPT)

    @get("/{name:str}/classes/{number:int}", sync_to_thread=True)
    def pictures_of_class(
        self, user: SignedIn, house: TheHouse, name: FromPath[str], number: FromPath[int]
    ) -> Response[Any]:
        """Some real pictures of one class, side by side; classes count from 0."""
        if number not in range(_find(name).classes):
            raise NotFoundError(say("There is no such class."))
        try:
            picture = _strip(house.settings.data_dir, name, number)
        except ResidentError as error:
            raise NotFoundError(say("The pictures are being prepared.")) from error
        return Response(picture, media_type="image/png", headers=_KEPT)


def _open(data_dir: Path, name: str) -> Resident | None:
    try:
        return open_resident(data_dir, name)
    except ResidentError:  # taken away this very moment
        return None


def _count(resident: Resident) -> tuple[ClassRow, ...]:
    train = np.bincount(resident.train_labels, minlength=resident.classes)
    test = np.bincount(resident.test_labels, minlength=resident.classes)
    return tuple(
        ClassRow(name, int(learned), int(tested), float(learned / train.max()))
        for name, learned, tested in zip(resident.class_names, train, test, strict=True)
    )


@lru_cache(256)
def _strip(data_dir: Path, name: str, label: int | None = None) -> bytes:
    """A PNG of one picture a class, or of some of one class. Raises `ResidentError`, which is not kept."""
    resident = open_resident(data_dir, name)
    return _side_by_side(sample_images(resident) if label is None else samples_of_class(resident, label, SHOWN))


def _side_by_side(images: NDArray[np.uint8]) -> bytes:
    """A PNG of the images (N, C, H, W) in one row, with see-through gaps."""
    count, channels, height, width = images.shape
    factor = max(1, SIDE // max(height, width))
    pixels = images.transpose(0, 2, 3, 1).repeat(factor, axis=1).repeat(factor, axis=2)  # (N, H, W, C)
    if channels == 1:
        pixels = pixels.repeat(3, axis=3)
    height, width = height * factor, width * factor
    strip = np.zeros((height, count * (width + GAP) - GAP, 4), np.uint8)
    for index in range(count):
        left = index * (width + GAP)
        strip[:, left : left + width, :3] = pixels[index]
        strip[:, left : left + width, 3] = 255
    file = BytesIO()
    Image.fromarray(strip).save(file, "PNG", optimize=True)
    return file.getvalue()
