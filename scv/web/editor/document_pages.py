"""A version's document as a whole: taken away as a file, read from a file or from code, replaced by a starter."""

import asyncio
from dataclasses import dataclass
from typing import Any

from litestar import Controller, Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath
from litestar.response import Redirect
from sqlalchemy.ext.asyncio import AsyncSession

from scv.blocks.check import check
from scv.blocks.codeparse import CodeError, CodeProblem
from scv.blocks.document import Document, DocumentError, decode, encode
from scv.blocks.findings import errors
from scv.blocks.import_text import read_network
from scv.blocks.operations import OperationError, Paste, apply
from scv.blocks.starters import STARTERS
from scv.data.official.catalogue import DatasetInfo
from scv.db import versions
from scv.db.tables import Version
from scv.errors import ConflictError, RefusedError
from scv.message import Message, say
from scv.web.blocks_view.blocks import Piece
from scv.web.blocks_view.pieces import pieces_to_show
from scv.web.blocks_view.place import Place, version_path
from scv.web.blocks_view.starter_cards import StarterCard, starter_cards
from scv.web.datasets.lookup import dataset_of
from scv.web.editor.palette import next_spot
from scv.web.http.context import AppServices, Context, SignedIn
from scv.web.http.forms import Form, read_form
from scv.web.http.render import AnyRequest
from scv.web.runs.downloads import as_document, as_notebook, as_script


@dataclass(frozen=True)
class Finding:
    """A network that was read, drawn as it would stand in this model; `document` is its JSON."""

    document: str
    pieces: tuple[Piece, ...]
    problems: tuple[CodeProblem, ...]
    errors: int


@dataclass(frozen=True)
class ImportPage:
    """The form that takes a file or a text, and what was found in it."""

    version: Version
    dataset: DatasetInfo
    place: Place
    text: str
    found: Finding | None
    problem: Message | None

    @property
    def back(self) -> str:
        """The address of the editor."""
        return version_path(self.version.model.id, self.version.number, self.place)

    @property
    def version_href(self) -> str:
        """The address of the version, below which the forms are posted."""
        return version_path(self.version.model.id, self.version.number)


@dataclass(frozen=True)
class StartersPage:
    """The starters, as they would be for this model's images."""

    version: Version
    dataset: DatasetInfo
    place: Place
    cards: tuple[StarterCard, ...]
    replaces: int
    problem: Message | None

    @property
    def back(self) -> str:
        """The address of the editor."""
        return version_path(self.version.model.id, self.version.number, self.place)

    @property
    def version_href(self) -> str:
        """The address of the version, below which the forms are posted."""
        return version_path(self.version.model.id, self.version.number)


class DocumentController(Controller):
    path = "/models/{model_id:int}/versions/{number:int}"

    @get("/document.json")
    async def document(
        self, user: SignedIn, services: AppServices, model_id: FromPath[int], number: FromPath[int]
    ) -> Response[bytes]:
        """The block document, which another SCV can read."""
        async with services.database.reading() as session:
            version = await versions.get_visible_version(session, user, model_id, number)
        return as_document(version.model.name, version.document)

    @get("/script.py")
    async def script(
        self, user: SignedIn, services: AppServices, model_id: FromPath[int], number: FromPath[int]
    ) -> Response[bytes]:
        """The program that trains this network by itself."""
        async with services.database.reading() as session:
            version = await versions.get_visible_version(session, user, model_id, number)
        return as_script(version.model.name, dataset_of(version.model), version.document, version.settings)

    @get("/notebook.ipynb")
    async def notebook(
        self, user: SignedIn, services: AppServices, model_id: FromPath[int], number: FromPath[int]
    ) -> Response[bytes]:
        """The same as a Jupyter notebook."""
        async with services.database.reading() as session:
            version = await versions.get_visible_version(session, user, model_id, number)
        return as_notebook(version.model.name, dataset_of(version.model), version.document, version.settings)

    @get("/import")
    async def ask(
        self,
        request: AnyRequest,
        context: Context,
        user: SignedIn,
        services: AppServices,
        model_id: FromPath[int],
        number: FromPath[int],
    ) -> Response[str]:
        async with services.database.reading() as session:
            version = await versions.get_visible_version(session, user, model_id, number)
        page = _import_page(version, Place.read(request.query_params))
        return services.renderer.respond(context, "editor/import.html", page)

    @post("/import", status_code=200)
    async def read(
        self,
        request: AnyRequest,
        context: Context,
        user: SignedIn,
        services: AppServices,
        model_id: FromPath[int],
        number: FromPath[int],
    ) -> Response[Any]:
        """Show what a text holds, or take what was shown into the version."""
        form = await read_form(request)
        place, text = Place.read(form), form.get("text", "")
        found: Finding | None = None
        problem: Message | None = None
        status = 200
        if form.get("take"):
            text = form.get("document", "")
            try:
                async with services.database.writing() as session:
                    version = await versions.get_editable_version(session, user, model_id, number)
                    await _save(session, version, form, _taken(form, decode(text), version.document, place))
                return Redirect(version_path(model_id, number, place), status_code=303)
            except (OperationError, ConflictError, DocumentError) as error:
                problem, status = error.message, 409 if isinstance(error, ConflictError) else 422
        async with services.database.reading() as session:
            version = await versions.get_visible_version(session, user, model_id, number)
        try:
            text = await _uploaded(request) or text
            found = await asyncio.to_thread(_finding, text, version)  # long code takes a second to read
        except (DocumentError, CodeError) as error:
            problem, status = problem or error.message, 422
        except UnicodeDecodeError:
            problem, status = say("This file is not text: choose a .json, .py or .ipynb file."), 422
        page = _import_page(version, place, found, text, problem)
        return services.renderer.respond(context, "editor/import.html", page, status=status)

    @get("/starters")
    async def offer(
        self,
        request: AnyRequest,
        context: Context,
        user: SignedIn,
        services: AppServices,
        model_id: FromPath[int],
        number: FromPath[int],
    ) -> Response[str]:
        async with services.database.reading() as session:
            version = await versions.get_visible_version(session, user, model_id, number)
        page = _starters_page(version, Place.read(request.query_params))
        return services.renderer.respond(context, "editor/starters.html", page)

    @post("/starters", status_code=200)
    async def start(
        self,
        request: AnyRequest,
        context: Context,
        user: SignedIn,
        services: AppServices,
        model_id: FromPath[int],
        number: FromPath[int],
    ) -> Response[Any]:
        """Put a starter in the place of the network; undo brings that back."""
        form = await read_form(request)
        refusal: ConflictError | RefusedError | None = None
        async with services.database.writing() as session:
            version = await versions.get_editable_version(session, user, model_id, number)
            dataset = dataset_of(version.model)
            try:
                if form.get("starter") not in STARTERS:
                    raise RefusedError(say("There is no such network to start from."))
                await _save(session, version, form, STARTERS[form["starter"]].build(dataset.shape, dataset.classes))
            except (ConflictError, RefusedError) as error:
                refusal = error
        if refusal is not None:
            page = _starters_page(version, Place.read(form), refusal.message)
            status = 409 if isinstance(refusal, ConflictError) else 422
            return services.renderer.respond(context, "editor/starters.html", page, status=status)
        return Redirect(version_path(model_id, number), status_code=303)


async def _uploaded(request: AnyRequest) -> str:
    """The text of the uploaded file, if there is one. Raises `UnicodeDecodeError`."""
    form = await request.form()
    for _, value in form.multi_items():
        if isinstance(value, UploadFile) and value.filename:
            return (await value.read()).decode("utf-8-sig").replace("\0", "\ufffd")
    return ""


def _taken(form: Form, read: Document, present: Document, place: Place) -> Document:
    """What becomes of the version's document. Raises `OperationError` where the blocks cannot be put in."""
    if form["take"] != "insert":
        return read
    spot, position = next_spot(present, place)
    return apply(present, Paste(read.blocks, position, spot.into, spot.branch))


async def _save(session: AsyncSession, version: Version, form: Form, document: Document) -> None:
    """Store a document over the revision that the form shows, as one step that undo takes back."""
    versions.refuse_stale(version, form.get("revision"))
    if document != version.document:
        await versions.save_document(session, version, document, version.revision)


def _import_page(
    version: Version, place: Place, found: Finding | None = None, text: str = "", problem: Message | None = None
) -> ImportPage:
    return ImportPage(version, dataset_of(version.model), place, text, found, problem)


def _finding(text: str, version: Version) -> Finding:
    """The network that a text holds. Raises `DocumentError` or `CodeError` where there is none."""
    parsed = read_network(text)
    document, dataset = parsed.document, dataset_of(version.model)
    return Finding(
        document=encode(document).decode(),
        pieces=pieces_to_show(document, dataset.shape, dataset.classes),
        problems=parsed.problems,
        errors=len(errors(check(document, dataset.shape, dataset.classes))),
    )


def _starters_page(version: Version, place: Place, problem: Message | None = None) -> StartersPage:
    dataset = dataset_of(version.model)
    return StartersPage(
        version=version,
        dataset=dataset,
        place=place,
        cards=starter_cards(dataset),
        replaces=len(version.document.blocks),
        problem=problem,
    )
