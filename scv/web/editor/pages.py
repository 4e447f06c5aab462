"""The editor of a version: show it, carry out edits, start runs."""

from contextlib import suppress
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar_htmx import ReplaceUrl
from sqlalchemy.ext.asyncio import AsyncSession

from scv.blocks.check import check
from scv.blocks.codegen import in_place
from scv.blocks.document import decode, encode
from scv.blocks.findings import errors
from scv.blocks.operations import Operation, OperationError
from scv.blocks.repair import Repaired, repair_all
from scv.data.resident import is_prepared
from scv.db import datasets, runs, versions
from scv.db.tables import Run, User, Version
from scv.errors import ConflictError, RefusedError
from scv.jobs.events import BrokerAwayError
from scv.jobs.failures import preparation_failure
from scv.message import Message, say
from scv.settings import Settings
from scv.training.recommend import network_facts, recommended
from scv.training.settings import TrainingSettings
from scv.web.blocks_view.blocks import Refusal
from scv.web.blocks_view.place import Place, version_path
from scv.web.datasets.lookup import dataset_of, may_train, refuse_without_pictures
from scv.web.editor import actions
from scv.web.editor.edits import Edit, FieldsRefusedError, describe, read_edit
from scv.web.editor.palette import Read
from scv.web.editor.view import build_editor, outputs
from scv.web.http.context import AppServices, Context, SignedIn
from scv.web.http.forms import Form, read_form
from scv.web.http.htmx import redirect, with_effects
from scv.web.http.render import AnyRequest, RequestContext
from scv.web.http.services import Services
from scv.web.runs.enqueue import enqueue_runs
from scv.web.runs.limits import refuse_too_much

TEMPLATE = "editor/editor.html"

BLOCKS = ("editor", "kinds")
"""The blocks of the template that htmx asks for; each is called like the element that it replaces."""

REFUSALS = (ConflictError, OperationError, FieldsRefusedError, RefusedError)
"""Why a form may not be carried out; nothing is changed then."""


class VersionController(Controller):
    path = "/models/{model_id:int}/versions/{number:int}"

    @get()
    async def show(
        self,
        request: AnyRequest,
        context: Context,
        user: SignedIn,
        services: AppServices,
        model_id: FromPath[int],
        number: FromPath[int],
    ) -> Response[str]:
        place = Place.read(request.query_params)
        target = request.htmx.target
        async with services.database.reading() as session:
            version = await versions.get_visible_version(session, user, model_id, number)
        return await _respond(services, context, user, version, place, block=target if target in BLOCKS else None)

    @post("/operations", status_code=200)
    async def operate(
        self,
        request: AnyRequest,
        context: Context,
        user: SignedIn,
        services: AppServices,
        model_id: FromPath[int],
        number: FromPath[int],
    ) -> Response[Any]:
        """Save what was typed and do what the pressed button says, or change nothing and say why."""
        form = await read_form(request)
        place, announcement, refusal = Place.read(form), None, None
        async with services.database.writing() as session:
            version = await versions.get_editable_version(session, user, model_id, number)
            try:
                edit, announcement = await _carry_out(session, user, version, form, context.language.text)
                place = msgspec.structs.replace(place, block=edit.block, branch=edit.branch)
            except REFUSALS as error:
                refusal = _refusal(error, form, version)
        return await _answer(request, services, context, user, version, place, refusal, announcement)

    @post("/runs", status_code=200)
    async def run(
        self,
        request: AnyRequest,
        context: Context,
        user: SignedIn,
        services: AppServices,
        model_id: FromPath[int],
        number: FromPath[int],
    ) -> Response[Any]:
        """Save what was typed, then train exactly that."""
        form = await read_form(request)
        started: list[Run] = []
        refusal = None
        async with services.database.writing() as session:
            version = await versions.get_editable_version(session, user, model_id, number)
            try:
                versions.refuse_stale(version, form.get("revision"))
                edit = _read(version, form, ())
                await _store(session, version, edit)
                started = await _start(session, user, version, edit, services.settings)
            except REFUSALS as error:
                refusal = _refusal(error, form, version)
        if not started:
            return await _answer(request, services, context, user, version, Place.read(form), refusal, None)
        await enqueue_runs(services, [(run.id, run.attempt) for run in started])
        return redirect(request, f"/runs/{started[0].id}")


async def _carry_out(
    session: AsyncSession, user: User, version: Version, form: Form, read: Read
) -> tuple[Edit, Message | None]:
    """Do what the form and its button ask for; what to announce. Raises one of `REFUSALS`."""
    before, action = decode(version.document), form.get("action", "")
    versions.refuse_stale(version, form.get("revision"))
    pressed = await actions.operations_of(session, user, form, before, read)
    edit = _read(version, form, pressed)
    whole = _read(version, form, ()).document if action == "cut" else edit.document  # what is cut is copied as typed
    dataset = dataset_of(version.model)
    repaired: Repaired | None = None
    if action == "repair":
        repaired = repair_all(edit.document, dataset.shape, dataset.classes)
        edit = msgspec.structs.replace(edit, document=repaired.document)
    if action == "recommend":
        facts = network_facts(edit.document, check(edit.document, dataset.shape, dataset.classes))
        edit = msgspec.structs.replace(edit, settings=recommended(dataset, facts).settings)
    await _store(session, version, edit)
    if action == "recommend":
        return edit, say("The recommended settings are set.")
    if action in actions.HISTORY:
        edit = await actions.move_in_history(session, version, edit, actions.HISTORY[action])
        return edit, say("Undone.") if action == "undo" else say("Done again.")
    if action in ("copy", "cut"):
        return edit, await actions.copy(session, user, whole, Place.read(form))
    checked = check(edit.document, dataset.shape, dataset.classes)
    if repaired is not None:
        left = len(errors(checked))
        return edit, say("{count} repairs made, {left} errors left.", count=len(repaired.applied), left=left)
    return edit, describe(edit, before, outputs(checked))


def _read(version: Version, form: Form, pressed: tuple[Operation, ...]) -> Edit:
    settings = msgspec.json.decode(version.settings, type=TrainingSettings)
    return read_edit(form, decode(version.document), settings, pressed)


async def _store(session: AsyncSession, version: Version, edit: Edit) -> None:
    """Save what an edit changed."""
    document, settings = encode(edit.document).decode(), msgspec.json.encode(edit.settings).decode()
    revision = version.revision
    if edit.document != decode(version.document):
        revision = await versions.save_document(session, version, document, revision)
    if edit.settings != msgspec.json.decode(version.settings, type=TrainingSettings):
        await versions.save_settings(session, version, settings, revision)


async def _start(session: AsyncSession, user: User, version: Version, edit: Edit, limits: Settings) -> list[Run]:
    """Queue the runs of what was just saved. Raises `RefusedError` where it cannot or may not be trained."""
    dataset = dataset_of(version.model)
    result = check(edit.document, dataset.shape, dataset.classes)
    if not result.ok:
        block, problem = errors(result)[0]
        raise RefusedError(say("It cannot be trained yet. {problem}", problem=in_place(block, problem)))
    refuse_without_pictures(user, version.model)
    await refuse_too_much(session, limits, version, dataset, version.document, edit.settings)
    return await runs.create_runs(session, version, limits.queued_per_user)


def _refusal(error: Exception, form: Form, version: Version) -> Refusal:
    match error:
        case FieldsRefusedError(messages=messages):
            return Refusal(422, say("Nothing was saved: a value cannot be used."), messages, form)
        case ConflictError(message=message):
            typed = actions.typed_fields(form)
            return Refusal(409, message, {}, typed, actions.again(form, decode(version.document)))
        case OperationError(message=message):
            return Refusal(422, message, {}, form)
        case RefusedError(message=message):
            return Refusal(422, message)
    raise error


async def _answer(
    request: AnyRequest,
    services: Services,
    context: RequestContext,
    user: User,
    version: Version,
    place: Place,
    refusal: Refusal | None,
    announcement: Message | None,
) -> Response[Any]:
    """To htmx the editor as it is now; to a plain form a redirect, or the page with what was refused."""
    if not request.htmx and refusal is None:
        return Redirect(version_path(version.model.id, version.number, place), status_code=303)
    block = "editor" if request.htmx else None
    return await _respond(services, context, user, version, place, block=block, refusal=refusal, said=announcement)


async def _respond(
    services: Services,
    context: RequestContext,
    user: User,
    version: Version,
    place: Place,
    *,
    block: str | None,
    refusal: Refusal | None = None,
    said: Message | None = None,
) -> Response[str]:
    async with services.database.reading() as session:
        listed = await runs.list_runs_for_version(session, version)
        history = await versions.history_of(session, version)
        clipboard = await actions.copied(session, user)
        newer = await datasets.newer_version(session, version.model.own) if version.model.own else None
    ready = is_prepared(services.settings.data_dir, version.model.dataset)
    failure = preparation_failure(services.settings.data_dir, version.model.dataset)
    if not ready and failure is None and version.model.own is None:
        with suppress(BrokerAwayError):  # asked for again by every later look
            await services.queue.enqueue_preparation(version.model.dataset)
    page = build_editor(
        version,
        listed,
        place,
        context.language.text,
        samples_ready=ready,
        samples_failure=failure,
        history=history,
        clipboard=clipboard,
        gone=not may_train(user, version.model),
        newer=newer,
        refusal=refusal,
        announcement=said,
    )
    status = refusal.status if refusal else 200
    response = services.renderer.respond(context, TEMPLATE, page, block=block, status=status)
    if block is not None and context.request.method == "POST":
        address = version_path(version.model.id, version.number, page.place)
        return with_effects(response, ReplaceUrl(None, address))
    return response
