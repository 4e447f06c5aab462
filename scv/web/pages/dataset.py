"""Pictures of the datasets."""

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
from PIL import Image

from scv.blocks.message import Message, say
from scv.data.catalogue import DatasetInfo, UnknownDatasetError, find
from scv.data.resident import ResidentError, is_prepared, open_resident, sample_images
from scv.errors import NotFoundError
from scv.jobs.events import BrokerAwayError
from scv.jobs.failures import forget_preparation_failure, preparation_failure
from scv.web.dependencies import SignedIn, TheHouse, TheVisit
from scv.web.forms import page_before
from scv.web.render import AnyRequest

SIDE = 64
"""Pixels of one sample picture at least; smaller images are enlarged by a whole factor, without smoothing."""

GAP = 6


@dataclass(frozen=True)
class SamplesPage:
    dataset: DatasetInfo
    samples_ready: bool
    samples_failure: Message | None


def _find(name: str) -> DatasetInfo:
    try:
        return find(name)
    except UnknownDatasetError as error:
        raise NotFoundError(say("There is no such dataset.")) from error


class DatasetController(Controller):
    path = "/datasets/{name:str}"

    @get("/samples")
    async def samples(self, visit: TheVisit, user: SignedIn, house: TheHouse, name: FromPath[str]) -> Response[str]:
        """The strip of pictures; while they are being prepared it asks again by itself, until that failed."""
        dataset = _find(name)
        data_dir = house.settings.data_dir
        page = SamplesPage(dataset, is_prepared(data_dir, name), preparation_failure(data_dir, name))
        return house.renderer.respond(visit, "partials/samples.html", page)

    @post("/samples")
    async def prepare(self, request: AnyRequest, user: SignedIn, house: TheHouse, name: FromPath[str]) -> Response[Any]:
        """Try again what failed, and go back to the page that the button was on."""
        _find(name)
        forget_preparation_failure(house.settings.data_dir, name)
        with suppress(BrokerAwayError):  # the page that it goes back to asks for it as well
            await house.queue.enqueue_preparation(name)
        return Redirect(page_before(request), status_code=303)

    @get("/samples.png", sync_to_thread=True)
    def picture(self, user: SignedIn, house: TheHouse, name: FromPath[str]) -> Response[Any]:
        """One real picture of each class, side by side."""
        _find(name)
        try:
            picture = _strip(house.settings.data_dir, name)
        except ResidentError as error:
            raise NotFoundError(say("The pictures are being prepared.")) from error
        return Response(picture, media_type="image/png", headers={"Cache-Control": "private, max-age=86400"})


@lru_cache(64)
def _strip(data_dir: Path, name: str) -> bytes:
    """A PNG of one picture a class, with see-through gaps. Raises `ResidentError`, which is not kept."""
    images = sample_images(open_resident(data_dir, name))  # (classes, C, H, W)
    count, channels, height, width = images.shape
    factor = max(1, SIDE // max(height, width))
    pixels = images.transpose(0, 2, 3, 1).repeat(factor, axis=1).repeat(factor, axis=2)  # (classes, H, W, C)
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
