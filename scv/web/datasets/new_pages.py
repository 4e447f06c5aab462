"""A new dataset of a person's own images: out of a zip file, or empty, to collect them one by one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litestar import Controller, Response, get, post
from litestar.response import Redirect

from scv.data.own.draft import Draft, check_zip
from scv.db import datasets
from scv.db.models import NAME_LENGTH
from scv.db.tables import User
from scv.errors import RefusedError, SCVError
from scv.jobs.own_datasets import draft_of
from scv.message import Message, foreign
from scv.web.datasets.drafts import collect_address, on_disk, received, the_file
from scv.web.datasets.quota import Room, room_of
from scv.web.http.context import AppServices, Context, SignedIn
from scv.web.http.errors import status_of
from scv.web.http.forms import read_form
from scv.web.http.htmx import redirect
from scv.web.http.render import AnyRequest
from scv.web.http.security import STREAMED
from scv.web.http.services import Services


@dataclass(frozen=True)
class NewDatasetPage:
    """The two ways to images of one's own; `room` says how much may be sent."""

    name: str
    most: int
    room: Room
    problem: Message | None


class NewDatasetController(Controller):
    path = "/datasets/new"

    @get()
    async def new(self, context: Context, user: SignedIn, services: AppServices) -> Response[str]:
        page = NewDatasetPage("", NAME_LENGTH, await room_of(services, user), None)
        return services.renderer.respond(context, "datasets/new.html", page)

    @post(status_code=200)
    async def begin(
        self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices
    ) -> Response[Any]:
        """An empty dataset, whose images will be collected one by one."""
        form = await read_form(request)
        try:
            async with services.database.writing() as session:
                dataset = await datasets.create_dataset(session, user, form.get("name", ""))
        except RefusedError as error:
            page = NewDatasetPage(form.get("name", ""), NAME_LENGTH, await room_of(services, user), error.message)
            return services.renderer.respond(context, "datasets/new.html", page, status=422)
        return Redirect(collect_address(dataset.id), status_code=303)

    @post("/zip", status_code=200, opt=STREAMED, request_max_body_size=None)
    async def begin_with_zip(
        self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices
    ) -> Response[Any]:
        """A dataset out of a zip file; one that is refused leaves nothing."""
        name = ""
        try:
            async with received(request, services, user) as sent:
                archive = the_file(sent)
                name = sent.fields.get("name", "").strip() or foreign(Path(sent.files[0].name).stem, NAME_LENGTH)
                dataset_id = await _create_with(services, user, name, archive)
        except SCVError as error:
            if request.htmx:
                raise
            page = NewDatasetPage(name, NAME_LENGTH, await room_of(services, user), error.message)
            return services.renderer.respond(context, "datasets/new.html", page, status=status_of(error))
        return redirect(request, collect_address(dataset_id))


async def _create_with(services: Services, user: User, name: str, archive: Path) -> int:
    """A new dataset with its draft: both are there, or none."""
    await on_disk(lambda: check_zip(archive))  # which takes a while: nobody else can write within the block below
    draft: Draft | None = None
    try:
        async with services.database.writing() as session:
            dataset = await datasets.create_dataset(session, user, name)
            draft = draft_of(services.files, dataset.id)
            await on_disk(lambda: draft.take_zip(archive))
    except BaseException:
        if draft is not None:
            draft.discard()
        raise
    return dataset.id
