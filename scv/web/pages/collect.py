"""New pictures for a person's own dataset: sent as a zip, or collected one by one, and then made into a version."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
import numpy as np
from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from scv.blocks.message import Message, foreign, say
from scv.data.archives import PicturesError
from scv.data.changes import Changes
from scv.data.draft import Draft, check_zip
from scv.data.pictures import RefusedError as PictureRefusedError
from scv.data.summary import Names, left_out
from scv.db import datasets
from scv.db.models import NAME_LENGTH
from scv.db.tables import Dataset, User
from scv.errors import ConflictError, NotFoundError, RefusedError, SCVError, TooLargeError
from scv.jobs.events import BrokerAwayError
from scv.jobs.own import draft_of
from scv.web.collecting import ClassCard, CollectPage, collect_page, is_making, read_options
from scv.web.dependencies import SignedIn, TheHouse, TheVisit
from scv.web.errors import status_of
from scv.web.forms import read_form
from scv.web.house import House
from scv.web.pictures import side_by_side
from scv.web.quota import Room, room_of
from scv.web.render import AnyRequest, Visit
from scv.web.security import STREAMED
from scv.web.uploads import Sent, disk_needed, sent_by

_KEPT = {"Cache-Control": "private, max-age=86400"}

T = TypeVar("T")


@dataclass(frozen=True)
class NewDatasetPage:
    """The two ways to pictures of one's own; `room` says how much may be sent."""

    name: str
    most: int
    room: Room
    problem: Message | None


@dataclass(frozen=True)
class CollectedPage:
    """What changed on a draft's page; `card` is the one class whose pictures did, None where the classes did."""

    page: CollectPage
    card: ClassCard | None


class CollectController(Controller):
    path = "/datasets"

    @get("/new")
    async def new(self, visit: TheVisit, user: SignedIn, house: TheHouse) -> Response[str]:
        page = NewDatasetPage("", NAME_LENGTH, await room_of(house, user), None)
        return house.renderer.respond(visit, "pages/new_dataset.html", page)

    @post("/new", status_code=200)
    async def begin(self, request: AnyRequest, visit: TheVisit, user: SignedIn, house: TheHouse) -> Response[Any]:
        """An empty dataset, whose pictures will be collected one by one."""
        form = await read_form(request)
        try:
            async with house.database.writing() as session:
                dataset = await datasets.create_dataset(session, user, form.get("name", ""))
        except RefusedError as error:
            page = NewDatasetPage(form.get("name", ""), NAME_LENGTH, await room_of(house, user), error.message)
            return house.renderer.respond(visit, "pages/new_dataset.html", page, status=422)
        return Redirect(_page_of(dataset.id), status_code=303)

    @post("/new/zip", status_code=200, opt=STREAMED, request_max_body_size=None)
    async def begin_with_zip(
        self, request: AnyRequest, visit: TheVisit, user: SignedIn, house: TheHouse
    ) -> Response[Any]:
        """A dataset out of a zip file; one that is refused leaves nothing."""
        name = ""
        try:
            async with _sent(request, house, user) as sent:
                archive = _the_file(sent)
                name = sent.fields.get("name", "").strip() or foreign(Path(sent.files[0].name).stem, NAME_LENGTH)
                dataset_id = await _create_with(house, user, name, archive)
        except SCVError as error:
            if _is_htmx(request):
                raise
            page = NewDatasetPage(name, NAME_LENGTH, await room_of(house, user), error.message)
            return house.renderer.respond(visit, "pages/new_dataset.html", page, status=status_of(error))
        return _on(request, _page_of(dataset_id))

    @get("/own/{dataset_id:int}/collect")
    async def show(
        self, request: AnyRequest, visit: TheVisit, user: SignedIn, house: TheHouse, dataset_id: FromPath[int]
    ) -> Response[str]:
        page = await _page(house, user, dataset_id, chosen=request.query_params.get("class", ""))
        return house.renderer.respond(visit, "pages/collect.html", page)

    @get("/own/{dataset_id:int}/preview")
    async def preview(
        self, visit: TheVisit, user: SignedIn, house: TheHouse, dataset_id: FromPath[int]
    ) -> Response[str]:
        """What the network will see, and what it takes, once more."""
        page = await _page(house, user, dataset_id)
        return house.renderer.respond(visit, "pages/collect.html", page, block="preview")

    @post("/own/{dataset_id:int}/zip", status_code=200, opt=STREAMED, request_max_body_size=None)
    async def add_zip(
        self, request: AnyRequest, visit: TheVisit, user: SignedIn, house: TheHouse, dataset_id: FromPath[int]
    ) -> Response[Any]:
        await _changeable(house, user, dataset_id)
        try:
            async with _sent(request, house, user) as sent:
                dataset, draft = await _changeable(house, user, dataset_id)  # sending may have taken an hour
                archive, newest = _the_file(sent), dataset.newest
                await _in_thread(lambda: draft.take_zip(archive, newest.class_names if newest else ()))
        except SCVError as error:
            if _is_htmx(request):
                raise
            return await _refused(house, visit, user, dataset_id, error)
        return _on(request, _page_of(dataset_id))

    @post("/own/{dataset_id:int}/pictures", status_code=200, opt=STREAMED, request_max_body_size=None)
    async def add_pictures(
        self, request: AnyRequest, visit: TheVisit, user: SignedIn, house: TheHouse, dataset_id: FromPath[int]
    ) -> Response[Any]:
        """Each picture is checked by itself: a bad one is refused with its reason, the others are taken."""
        await _changeable(house, user, dataset_id)
        try:
            async with _sent(request, house, user) as sent:
                _, draft = await _changeable(house, user, dataset_id)
                name = sent.fields.get("class", "")
                if not sent.files:
                    raise RefusedError(say("Choose a picture first."))
                count, refused = await _in_thread(lambda: _add(draft, name, sent))
        except SCVError as error:
            if _is_htmx(request):
                raise
            return await _refused(house, visit, user, dataset_id, error)
        told = (say("Pictures added to {name}: {count}.", name=name, count=count), *left_out(refused))
        return await _changed(request, house, visit, user, dataset_id, told, chosen=name, one=True, failed=not count)

    @get("/own/{dataset_id:int}/pictures")
    async def picture(
        self, request: AnyRequest, user: SignedIn, house: TheHouse, dataset_id: FromPath[int]
    ) -> Response[bytes]:
        """A collected picture, small."""
        _, draft = await _mine(house, user, dataset_id)
        name, file = request.query_params.get("class", ""), request.query_params.get("file", "")
        try:
            content = await _in_thread(lambda: draft.thumbnail(name, file))
        except PictureRefusedError as error:
            raise NotFoundError(say("There is no such picture.")) from error
        return Response(content, media_type="image/jpeg", headers=_KEPT)

    @get("/own/{dataset_id:int}/samples/{number:int}")
    async def samples(
        self,
        request: AnyRequest,
        user: SignedIn,
        house: TheHouse,
        dataset_id: FromPath[int],
        number: FromPath[int],
    ) -> Response[bytes]:
        """Some pictures of a class side by side, as the network will see them."""
        _, draft = await _mine(house, user, dataset_id)
        options = read_options(dict(request.query_params))

        def drawn() -> bytes:
            pixels = draft.samples(number, options)
            if not pixels:
                raise KeyError(number)
            shape = (len(pixels), options.channels, options.size, options.size)
            return side_by_side(np.frombuffer(b"".join(pixels), np.uint8).reshape(shape))

        return Response(await _in_thread(drawn), media_type="image/png", headers=_KEPT)

    @post("/own/{dataset_id:int}/classes", status_code=200)
    async def add_class(
        self, request: AnyRequest, visit: TheVisit, user: SignedIn, house: TheHouse, dataset_id: FromPath[int]
    ) -> Response[Any]:
        text = (await read_form(request)).get("name", "")
        return await _edit(request, house, visit, user, dataset_id, lambda draft: draft.add_class(text))

    @post("/own/{dataset_id:int}/classes/rename", status_code=200)
    async def rename_class(
        self, request: AnyRequest, visit: TheVisit, user: SignedIn, house: TheHouse, dataset_id: FromPath[int]
    ) -> Response[Any]:
        form = await read_form(request)
        before, text = form.get("class", ""), form.get("name", "")
        return await _edit(request, house, visit, user, dataset_id, lambda draft: draft.rename_class(before, text))

    @post("/own/{dataset_id:int}/classes/remove", status_code=200)
    async def remove_class(
        self, request: AnyRequest, visit: TheVisit, user: SignedIn, house: TheHouse, dataset_id: FromPath[int]
    ) -> Response[Any]:
        name = (await read_form(request)).get("class", "")
        return await _edit(request, house, visit, user, dataset_id, lambda draft: draft.remove_class(name))

    @post("/own/{dataset_id:int}/pictures/remove", status_code=200)
    async def remove_picture(
        self, request: AnyRequest, visit: TheVisit, user: SignedIn, house: TheHouse, dataset_id: FromPath[int]
    ) -> Response[Any]:
        form = await read_form(request)
        name, file = form.get("class", ""), form.get("file", "")

        def change(draft: Draft) -> str:
            draft.remove_picture(name, file)
            return name

        return await _edit(request, house, visit, user, dataset_id, change, one=True)

    @post("/own/{dataset_id:int}/options", status_code=200)
    async def choose(
        self, request: AnyRequest, visit: TheVisit, user: SignedIn, house: TheHouse, dataset_id: FromPath[int]
    ) -> Response[Any]:
        """Choose size, colour and fit, and show what the pictures become."""
        try:
            await _set_options(house, user, dataset_id, await read_form(request))
        except RefusedError as error:
            page = await _page(house, user, dataset_id, problem=error.message)
            block = "preview" if _is_htmx(request) else None
            return house.renderer.respond(visit, "pages/collect.html", page, block=block, status=422)
        if not _is_htmx(request):
            return Redirect(_page_of(dataset_id), status_code=303)
        page = await _page(house, user, dataset_id)
        return house.renderer.respond(visit, "pages/collect.html", page, block="preview")

    @post("/own/{dataset_id:int}/make", status_code=200)
    async def make(
        self, request: AnyRequest, visit: TheVisit, user: SignedIn, house: TheHouse, dataset_id: FromPath[int]
    ) -> Response[Any]:
        """Have a version made of it; the dataset's page then shows how far that is."""
        form = await read_form(request)
        try:
            await _set_options(house, user, dataset_id, form)
            page = await _page(house, user, dataset_id)
            if (lacking := page.lacking) is not None:
                raise RefusedError(lacking)
            if page.too_much:
                raise TooLargeError(page.room.too_large)
            async with house.database.writing() as session:
                dataset = await datasets.get_own_dataset_for(session, user, dataset_id)
                changes = msgspec.json.encode(Changes(draft=True)).decode()
                version = await datasets.begin_version(session, dataset, changes)
        except (RefusedError, ConflictError) as error:
            return await _refused(house, visit, user, dataset_id, error)
        with suppress(BrokerAwayError):  # the dataset's page asks for it as well
            await house.queue.enqueue_making(version.name)
        return Redirect(f"/datasets/own/{dataset_id}", status_code=303)

    @post("/own/{dataset_id:int}/discard", status_code=200)
    async def discard(self, user: SignedIn, house: TheHouse, dataset_id: FromPath[int]) -> Redirect:
        """Throw the draft away, and the dataset as well where there is nothing else of it."""
        dataset, draft = await _changeable(house, user, dataset_id)
        if not dataset.versions:
            async with house.database.writing() as session:
                await datasets.delete_dataset(session, await datasets.get_own_dataset_for(session, user, dataset_id))
        await asyncio.to_thread(draft.discard)
        return Redirect(f"/datasets/own/{dataset_id}" if dataset.versions else "/datasets", status_code=303)


def _page_of(dataset_id: int) -> str:
    return f"/datasets/own/{dataset_id}/collect"


def _is_htmx(request: AnyRequest) -> bool:
    return request.headers.get("hx-request") == "true"


def _on(request: AnyRequest, path: str) -> Response[Any]:
    """On to a page, after a form that htmx may have sent."""
    return Response("", headers={"HX-Redirect": path}) if _is_htmx(request) else Redirect(path, status_code=303)


async def _mine(house: House, user: User, dataset_id: int) -> tuple[Dataset, Draft]:
    """The user's own dataset with its versions, and its draft. Raises `NotFoundError`."""
    async with house.database.reading() as session:
        dataset = await datasets.get_own_dataset_for(session, user, dataset_id)
    return dataset, draft_of(house.files, dataset_id)


async def _changeable(house: House, user: User, dataset_id: int) -> tuple[Dataset, Draft]:
    """The same, to be changed. Raises `ConflictError` while a version is being made of it."""
    dataset, draft = await _mine(house, user, dataset_id)
    if is_making(dataset):
        raise ConflictError(say("A version of it is being made already. Wait until that is done."))
    return dataset, draft


async def _page(house: House, user: User, dataset_id: int, **shown: Any) -> CollectPage:
    dataset, draft = await _mine(house, user, dataset_id)
    room = await room_of(house, user)
    return await _in_thread(lambda: collect_page(dataset, draft, room, **shown))


@asynccontextmanager
async def _sent(request: AnyRequest, house: House, user: User) -> AsyncIterator[Sent]:
    """What somebody sends, as much of it as they have room for."""
    room = await room_of(house, user)
    async with sent_by(request, house.files.root / "uploads", user.id, room.most, room.too_large) as sent:
        yield sent


def _the_file(sent: Sent) -> Path:
    if len(sent.files) != 1:
        raise RefusedError(say("Choose one zip file."))
    return sent.files[0].path


async def _create_with(house: House, user: User, name: str, archive: Path) -> int:
    """A new dataset with its draft: both are there, or none."""
    await _in_thread(lambda: check_zip(archive))  # which takes a while: nobody else can write within the block below
    draft: Draft | None = None
    try:
        async with house.database.writing() as session:
            dataset = await datasets.create_dataset(session, user, name)
            draft = draft_of(house.files, dataset.id)
            await _in_thread(lambda: draft.take_zip(archive))
    except BaseException:
        if draft is not None:
            draft.discard()
        raise
    return dataset.id


def _add(draft: Draft, name: str, sent: Sent) -> tuple[int, dict[str, Names]]:
    """Put the pictures into the class; how many were taken, and which were refused for what reason."""
    if name not in draft.class_names:
        raise RefusedError(say("There is no class {name}.", name=foreign(name)) if name else say("Add a class first."))
    refused: dict[str, Names] = {}
    count = 0
    for file in sent.files:
        try:
            draft.add_picture(name, file.path)
            count += 1
        except PictureRefusedError as error:
            refused.setdefault(str(error), Names()).add(file.name)
    return count, refused


async def _set_options(house: House, user: User, dataset_id: int, form: Any) -> None:
    """Keep the chosen size, colour and fit; those of a dataset with versions stay. Raises `RefusedError`."""
    dataset, _ = await _changeable(house, user, dataset_id)
    if dataset.versions:
        return
    options = read_options(form)
    async with house.database.writing() as session:
        dataset = await datasets.get_own_dataset_for(session, user, dataset_id)
        await datasets.set_options(session, dataset, image_size=options.size, color=options.color, fit=options.fit)


async def _edit(
    request: AnyRequest,
    house: House,
    visit: Visit,
    user: User,
    dataset_id: int,
    change: Callable[[Draft], str | None],
    *,
    one: bool = False,
) -> Response[Any]:
    """Change the draft and show it; `change` says which class is the chosen one then."""
    _, draft = await _changeable(house, user, dataset_id)
    try:
        chosen = await _in_thread(lambda: change(draft))
    except RefusedError as error:
        if _is_htmx(request):
            raise
        return await _refused(house, visit, user, dataset_id, error)
    return await _changed(request, house, visit, user, dataset_id, (), chosen=chosen or "", one=one)


async def _changed(
    request: AnyRequest,
    house: House,
    visit: Visit,
    user: User,
    dataset_id: int,
    told: tuple[Message, ...],
    *,
    chosen: str,
    one: bool = False,
    failed: bool = False,
) -> Response[Any]:
    """The fragments that changed: the card of the one class whose pictures did, or all of them."""
    status = 422 if failed else 200
    page = await _page(house, user, dataset_id, chosen=chosen, told=told)
    if not _is_htmx(request):
        if status == 200 and len(told) < 2:
            return Redirect(f"{_page_of(dataset_id)}?{urlencode({'class': chosen})}", status_code=303)
        return house.renderer.respond(visit, "pages/collect.html", page, status=status)
    card = next((card for card in page.classes if card.name == chosen), None) if one else None
    target = {"HX-Retarget": f"#card-{card.key}" if card else "#cards", "HX-Reswap": "outerHTML"}
    headers = {**target, "HX-Trigger": "collected"}
    template = "partials/collected.html"
    return house.renderer.respond(visit, template, CollectedPage(page, card), status=status, headers=headers)


async def _refused(house: House, visit: Visit, user: User, dataset_id: int, error: SCVError) -> Response[Any]:
    page = await _page(house, user, dataset_id, problem=error.message)
    return house.renderer.respond(visit, "pages/collect.html", page, status=status_of(error))


async def _in_thread(work: Callable[[], T]) -> T:
    """Work on the disk beside the event loop, whose troubles become those that a page can say."""

    def guarded() -> T:
        with _told():
            return work()

    return await asyncio.to_thread(guarded)


@contextmanager
def _told() -> Iterator[None]:
    try:
        with disk_needed():
            yield
    except PicturesError as error:
        raise RefusedError(error.message) from error
    except (KeyError, IndexError, FileNotFoundError) as error:
        raise NotFoundError(say("There is no such picture, or it has just been taken away.")) from error
