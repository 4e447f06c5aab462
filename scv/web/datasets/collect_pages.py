"""New images for a person's own dataset: sent as a zip, or collected one by one, and then made into a version."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
import numpy as np
from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar_htmx import Reswap, Retarget, TriggerEvent

from scv.data.images.decode import ImageRefusedError as ImageRefusedError
from scv.data.own.changes import Changes
from scv.data.own.draft import Draft
from scv.data.own.summary import Names, left_out
from scv.db import datasets
from scv.db.tables import Dataset, User
from scv.errors import ConflictError, NotFoundError, RefusedError, SCVError, TooLargeError
from scv.jobs.own_datasets import draft_of
from scv.message import Message, foreign, say
from scv.web.datasets.collect_view import ClassCard, CollectPage, collect_page, read_options
from scv.web.datasets.drafts import collect_address, on_disk, received, the_file
from scv.web.datasets.images import side_by_side
from scv.web.datasets.own_task import pending_version, work_on
from scv.web.datasets.quota import room_of
from scv.web.http.context import AppServices, Context, SignedIn
from scv.web.http.errors import status_of
from scv.web.http.forms import Form, read_form
from scv.web.http.htmx import redirect, with_effects
from scv.web.http.render import AnyRequest, RequestContext
from scv.web.http.security import STREAMED
from scv.web.http.services import Services
from scv.web.http.uploads import Sent
from scv.web.tasks.view import wake_worker

_KEPT = {"Cache-Control": "private, max-age=86400"}


@dataclass(frozen=True)
class CollectedPage:
    """What changed on a draft's page; `card` is the one class whose images did, None where the classes did."""

    page: CollectPage
    card: ClassCard | None


def _remove_image(draft: Draft, form: Form) -> str:
    name = form.get("class", "")
    draft.remove_image(name, form.get("file", ""))
    return name


EDITS: dict[str, Callable[[Draft, Form], str | None]] = {
    "classes": lambda draft, form: draft.add_class(form.get("name", "")),
    "classes/rename": lambda draft, form: draft.rename_class(form.get("class", ""), form.get("name", "")),
    "classes/remove": lambda draft, form: draft.remove_class(form.get("class", "")),
    "images/remove": _remove_image,
}
"""What a form may change in a draft, by the last part of its address; it says which class is the chosen one then."""


class CollectController(Controller):
    path = "/datasets/own/{dataset_id:int}"

    @get("/collect")
    async def show(
        self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices, dataset_id: FromPath[int]
    ) -> Response[str]:
        page = await _page(services, user, dataset_id, chosen=request.query_params.get("class", ""))
        return services.renderer.respond(context, "datasets/collect.html", page)

    @get("/preview")
    async def preview(
        self, context: Context, user: SignedIn, services: AppServices, dataset_id: FromPath[int]
    ) -> Response[str]:
        """What the network will see, and what it takes, once more."""
        page = await _page(services, user, dataset_id)
        return services.renderer.respond(context, "datasets/collect.html", page, block="preview")

    @post("/zip", status_code=200, opt=STREAMED, request_max_body_size=None)
    async def add_zip(
        self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices, dataset_id: FromPath[int]
    ) -> Response[Any]:
        await _changeable(services, user, dataset_id)
        try:
            async with received(request, services, user) as sent:
                dataset, draft = await _changeable(services, user, dataset_id)  # sending may have taken an hour
                archive, newest = the_file(sent), dataset.newest
                await on_disk(lambda: draft.take_zip(archive, newest.class_names if newest else ()))
        except SCVError as error:
            if request.htmx:
                raise
            return await _refused(services, context, user, dataset_id, error)
        return redirect(request, collect_address(dataset_id))

    @post("/images", status_code=200, opt=STREAMED, request_max_body_size=None)
    async def add_images(
        self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices, dataset_id: FromPath[int]
    ) -> Response[Any]:
        """Each image is checked by itself: a bad one is refused with its reason, the others are taken."""
        await _changeable(services, user, dataset_id)
        try:
            async with received(request, services, user) as sent:
                _, draft = await _changeable(services, user, dataset_id)
                name = sent.fields.get("class", "")
                if not sent.files:
                    raise RefusedError(say("Choose an image first."))
                count, refused = await on_disk(lambda: _add(draft, name, sent))
        except SCVError as error:
            if request.htmx:
                raise
            return await _refused(services, context, user, dataset_id, error)
        told = (say("Images added to {name}: {count}.", name=name, count=count), *left_out(refused))
        return await _changed(
            request, services, context, user, dataset_id, told, chosen=name, one=True, failed=not count
        )

    @get("/images")
    async def image(
        self, request: AnyRequest, user: SignedIn, services: AppServices, dataset_id: FromPath[int]
    ) -> Response[bytes]:
        """A collected image, small."""
        _, draft = await _mine(services, user, dataset_id)
        name, file = request.query_params.get("class", ""), request.query_params.get("file", "")
        try:
            content = await on_disk(lambda: draft.thumbnail(name, file))
        except ImageRefusedError as error:
            raise NotFoundError(say("There is no such image.")) from error
        return Response(content, media_type="image/jpeg", headers=_KEPT)

    @get("/samples/{number:int}")
    async def samples(
        self,
        request: AnyRequest,
        user: SignedIn,
        services: AppServices,
        dataset_id: FromPath[int],
        number: FromPath[int],
    ) -> Response[bytes]:
        """Some images of a class side by side, as the network will see them."""
        _, draft = await _mine(services, user, dataset_id)
        options = read_options(dict(request.query_params))

        def drawn() -> bytes:
            pixels = draft.samples(number, options)
            if not pixels:
                raise KeyError(number)
            shape = (len(pixels), options.channels, options.size, options.size)
            return side_by_side(np.frombuffer(b"".join(pixels), np.uint8).reshape(shape))

        return Response(await on_disk(drawn), media_type="image/png", headers=_KEPT)

    @post([f"/{path}" for path in EDITS], status_code=200)
    async def edit(
        self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices, dataset_id: FromPath[int]
    ) -> Response[Any]:
        """Change the draft and show it."""
        form = await read_form(request)
        _, draft = await _changeable(services, user, dataset_id)
        path = request.url.path.partition(f"/own/{dataset_id}/")[2].strip("/")
        try:
            chosen = await on_disk(lambda: EDITS[path](draft, form))
        except RefusedError as error:
            if request.htmx:
                raise
            return await _refused(services, context, user, dataset_id, error)
        one = path == "images/remove"
        return await _changed(request, services, context, user, dataset_id, (), chosen=chosen or "", one=one)

    @post("/options", status_code=200)
    async def choose(
        self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices, dataset_id: FromPath[int]
    ) -> Response[Any]:
        """Choose size, colour and fit, and show what the images become."""
        try:
            await _set_options(services, user, dataset_id, await read_form(request))
        except RefusedError as error:
            page = await _page(services, user, dataset_id, problem=error.message)
            block = "preview" if request.htmx else None
            return services.renderer.respond(context, "datasets/collect.html", page, block=block, status=422)
        if not request.htmx:
            return Redirect(collect_address(dataset_id), status_code=303)
        page = await _page(services, user, dataset_id)
        return services.renderer.respond(context, "datasets/collect.html", page, block="preview")

    @post("/make", status_code=200)
    async def make(
        self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices, dataset_id: FromPath[int]
    ) -> Response[Any]:
        """Have a version made of it; the dataset's page then shows how far that is."""
        form = await read_form(request)
        try:
            await _set_options(services, user, dataset_id, form)
            page = await _page(services, user, dataset_id)
            if (lacking := page.lacking) is not None:
                raise RefusedError(lacking)
            if page.too_much:
                raise TooLargeError(page.room.too_large)
            async with services.database.writing() as session:
                dataset = await datasets.lock_editable_dataset(session, user, dataset_id)
                changes = msgspec.json.encode(Changes(draft=True)).decode()
                await datasets.begin_version(session, dataset, changes)
        except (RefusedError, ConflictError) as error:
            return await _refused(services, context, user, dataset_id, error)
        await wake_worker(services)
        return Redirect(f"/datasets/own/{dataset_id}", status_code=303)

    @post("/discard", status_code=200)
    async def discard(self, user: SignedIn, services: AppServices, dataset_id: FromPath[int]) -> Redirect:
        """Throw the draft away, and the dataset as well where there is nothing else of it."""
        _, draft = await _changeable(services, user, dataset_id)
        async with services.database.writing() as session:
            dataset = await datasets.lock_editable_dataset(session, user, dataset_id)
            if not dataset.versions:
                await datasets.delete_dataset(session, dataset)
        await asyncio.to_thread(draft.discard)
        return Redirect(f"/datasets/own/{dataset_id}" if dataset.versions else "/datasets", status_code=303)


async def _mine(services: Services, user: User, dataset_id: int) -> tuple[Dataset, Draft]:
    """The user's own dataset with its versions, and its draft. Raises `NotFoundError`."""
    async with services.database.reading() as session:
        dataset = await datasets.get_editable_dataset(session, user, dataset_id)
    return dataset, draft_of(services.files, dataset_id)


async def _changeable(services: Services, user: User, dataset_id: int) -> tuple[Dataset, Draft]:
    """The same, to be changed. Raises `ConflictError` while a version is being made of it."""
    dataset, draft = await _mine(services, user, dataset_id)
    if pending_version(dataset) is not None:
        raise ConflictError(say("A version of it is being made already. Wait until that is done."))
    return dataset, draft


async def _page(services: Services, user: User, dataset_id: int, **shown: Any) -> CollectPage:
    dataset, draft = await _mine(services, user, dataset_id)
    room, task = await room_of(services, user), await work_on(services, dataset)
    return await on_disk(lambda: collect_page(dataset, draft, room, task, **shown))


def _add(draft: Draft, name: str, sent: Sent) -> tuple[int, dict[str, Names]]:
    """Put the images into the class; how many were taken, and which were refused for what reason."""
    if name not in draft.class_names:
        raise RefusedError(say("There is no class {name}.", name=foreign(name)) if name else say("Add a class first."))
    refused: dict[str, Names] = {}
    count = 0
    for file in sent.files:
        try:
            draft.add_image(name, file.path)
            count += 1
        except ImageRefusedError as error:
            refused.setdefault(str(error), Names()).add(file.name)
    return count, refused


async def _set_options(services: Services, user: User, dataset_id: int, form: Form) -> None:
    """Keep the chosen size, colour and fit; those of a dataset with versions stay. Raises `RefusedError`."""
    dataset, _ = await _changeable(services, user, dataset_id)
    if dataset.versions:
        return
    options = read_options(form)
    async with services.database.writing() as session:
        dataset = await datasets.lock_editable_dataset(session, user, dataset_id)
        await datasets.set_options(session, dataset, image_size=options.size, color=options.color, fit=options.fit)


async def _changed(
    request: AnyRequest,
    services: Services,
    context: RequestContext,
    user: User,
    dataset_id: int,
    told: tuple[Message, ...],
    *,
    chosen: str,
    one: bool = False,
    failed: bool = False,
) -> Response[Any]:
    """The fragments that changed: the card of the one class whose images did, or all of them."""
    status = 422 if failed else 200
    page = await _page(services, user, dataset_id, chosen=chosen, told=told)
    if not request.htmx:
        if status == 200 and len(told) < 2:
            return Redirect(f"{collect_address(dataset_id)}?{urlencode({'class': chosen})}", status_code=303)
        return services.renderer.respond(context, "datasets/collect.html", page, status=status)
    card = next((card for card in page.classes if card.name == chosen), None) if one else None
    template = "datasets/collected.html"
    return with_effects(
        services.renderer.respond(context, template, CollectedPage(page, card), status=status),
        Retarget(None, f"#card-{card.key}" if card else "#cards"),
        Reswap(None, "outerHTML"),
        TriggerEvent(None, "collected", "receive"),
    )


async def _refused(
    services: Services, context: RequestContext, user: User, dataset_id: int, error: SCVError
) -> Response[Any]:
    page = await _page(services, user, dataset_id, problem=error.message)
    return services.renderer.respond(context, "datasets/collect.html", page, status=status_of(error))
