"""The editor of a version: show it, carry out edits, start runs, hand out its code."""

from contextlib import suppress
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from sqlalchemy.ext.asyncio import AsyncSession

from scv.blocks.check import check
from scv.blocks.codegen import InvalidDocumentError, in_place
from scv.blocks.document import Document, decode, encode
from scv.blocks.findings import errors
from scv.blocks.message import Message, say
from scv.blocks.operations import OperationError
from scv.blocks.script import script
from scv.blocks.training import TrainingSettings
from scv.data.catalogue import find
from scv.data.resident import is_prepared
from scv.db import runs, versions
from scv.db.tables import Run, User, Version
from scv.errors import ConflictError, RefusedError
from scv.jobs.events import BrokerAwayError, Queued
from scv.web.dependencies import SignedIn, TheHouse, TheVisit
from scv.web.edit import Edit, FieldsRefusedError, Form, describe, new_blocks, read_edit
from scv.web.editor import Place, Refusal, build_editor, outputs, version_path
from scv.web.forms import file_name, read_form
from scv.web.house import House
from scv.web.render import AnyRequest, Visit

TEMPLATE = "pages/version.html"

HISTORY = {"-1": -1, "1": 1}
"""What the undo and redo buttons post, in steps of the history."""


class VersionController(Controller):
    path = "/models/{model_id:int}/versions/{number:int}"

    @get()
    async def show(
        self,
        request: AnyRequest,
        visit: TheVisit,
        user: SignedIn,
        house: TheHouse,
        model_id: FromPath[int],
        number: FromPath[int],
    ) -> Response[str]:
        place = Place.read(request.query_params)
        fragment = request.headers.get("hx-target") == "editor"
        return await _respond(house, visit, user, model_id, number, place, fragment=fragment)

    @post("/operations", status_code=200)
    async def operate(
        self,
        request: AnyRequest,
        visit: TheVisit,
        user: SignedIn,
        house: TheHouse,
        model_id: FromPath[int],
        number: FromPath[int],
    ) -> Response[Any]:
        """Save what was typed and do what the pressed button says, or change nothing and say why."""
        form = await read_form(request)
        edit, announcement, refusal = None, None, None
        async with house.database.writing() as session:
            version = await versions.get_editable_version_for(session, user, model_id, number)
            before = decode(version.document)
            try:
                edit = await _save(session, version, form)
                if form.get("history") in HISTORY:
                    edit = await _move_in_history(session, version, edit, HISTORY[form["history"]])
                    announcement = say("Undone.") if form["history"] == "-1" else say("Done again.")
            except (ConflictError, OperationError, FieldsRefusedError, RefusedError) as error:
                refusal = _refusal(error, form)
        place = Place.read(form)
        if edit is not None and refusal is None:
            place = Place(edit.block, place.pane, edit.branch)
            announcement = announcement or _announcement(edit, before, version)
        return await _answer(request, house, visit, user, version, place, refusal, announcement)

    @post("/runs", status_code=200)
    async def run(
        self,
        request: AnyRequest,
        visit: TheVisit,
        user: SignedIn,
        house: TheHouse,
        model_id: FromPath[int],
        number: FromPath[int],
    ) -> Response[Any]:
        """Save what was typed, then train exactly that."""
        form = await read_form(request)
        run, refusal = None, None
        async with house.database.writing() as session:
            version = await versions.get_editable_version_for(session, user, model_id, number)
            try:
                edit = await _save(session, version, {**form, "operation": ""})
                run = await _start(session, version, edit, house.settings.queued_per_user)
            except (ConflictError, OperationError, FieldsRefusedError, RefusedError) as error:
                refusal = _refusal(error, form)
        if run is None:
            return await _answer(request, house, visit, user, version, Place.read(form), refusal, None)
        with suppress(BrokerAwayError):  # the run is on record: the reaper enqueues it when the broker is back
            await house.queue.publish(run.id, Queued(attempt=run.attempt))
            await house.queue.enqueue_training(run.id, run.attempt)
        if request.headers.get("hx-request") == "true":
            return Response(None, status_code=200, headers={"HX-Redirect": f"/runs/{run.id}"})
        return Redirect(f"/runs/{run.id}", status_code=303)

    @get("/script.py")
    async def script(
        self, user: SignedIn, house: TheHouse, model_id: FromPath[int], number: FromPath[int]
    ) -> Response[str]:
        """The program that trains this network by itself."""
        async with house.database.reading() as session:
            version = await versions.get_version_for(session, user, model_id, number)
        settings = msgspec.json.decode(version.settings, type=TrainingSettings)
        return python_script(version.model.name, version.model.dataset, decode(version.document), settings)


def python_script(name: str, dataset: str, document: Document, settings: TrainingSettings) -> Response[str]:
    """A script as a download; raises `RefusedError` for a network with errors."""
    file = file_name(name, "py")
    try:
        code = script(document, find(dataset), settings, title=name, file=file)
    except InvalidDocumentError as error:
        raise RefusedError(error.message) from error
    return Response(
        code,
        media_type="text/x-python",  # the framework adds the charset
        headers={"Content-Disposition": f'attachment; filename="{file}"'},
    )


async def _save(session: AsyncSession, version: Version, form: Form) -> Edit:
    """Store what the form changes, over the revision that it shows."""
    revision = version.revision
    if form.get("revision") != str(revision):
        raise ConflictError(say("This was changed elsewhere in the meantime. Here is its present state."))
    document = decode(version.document)
    settings = msgspec.json.decode(version.settings, type=TrainingSettings)
    edit = read_edit(form, document, settings)
    if edit.document != document:
        revision = await versions.save_document(session, version, encode(edit.document).decode(), revision)
    if edit.settings != settings:
        text = msgspec.json.encode(edit.settings).decode()
        await versions.save_settings(session, version, text, revision)
    return edit


async def _move_in_history(session: AsyncSession, version: Version, edit: Edit, by: int) -> Edit:
    """Undo or redo over what was just saved; where blocks came back, the first of them is looked at."""
    await versions.move_in_history(session, version, by, version.revision)
    document = decode(version.document)
    came = new_blocks(edit.document, document)
    block, branch = (came[0], None) if came else (edit.block, edit.branch)
    return msgspec.structs.replace(edit, document=document, done=(), block=block, branch=branch)


async def _start(session: AsyncSession, version: Version, edit: Edit, queued_per_user: int) -> Run:
    """Queue a run of what was just saved. Raises `RefusedError` where it cannot be trained."""
    dataset = find(version.model.dataset)
    result = check(edit.document, dataset.shape, dataset.classes)
    if not result.ok:
        block, problem = errors(result)[0]
        raise RefusedError(say("It cannot be trained yet. {problem}", problem=in_place(block, problem)))
    return await runs.create_run(session, version, queued_per_user)


def _refusal(error: Exception, form: Form) -> Refusal:
    match error:
        case FieldsRefusedError(messages=messages):
            return Refusal(422, say("Nothing was saved: a value cannot be used."), messages, form)
        case ConflictError(message=message):
            return Refusal(409, message)
        case OperationError(message=message):
            return Refusal(422, message, {}, form)
        case RefusedError(message=message):
            return Refusal(422, message)
    raise error


def _announcement(edit: Edit, before: Document, version: Version) -> Message | None:
    dataset = find(version.model.dataset)
    checked = check(edit.document, dataset.shape, dataset.classes)
    return describe(edit, before, outputs(checked))


async def _answer(
    request: AnyRequest,
    house: House,
    visit: Visit,
    user: User,
    version: Version,
    place: Place,
    refusal: Refusal | None,
    announcement: Message | None,
) -> Response[Any]:
    """To htmx the editor as it is now; to a plain form a redirect, or the page with what was refused."""
    model_id, number = version.model.id, version.number
    fragment = request.headers.get("hx-request") == "true"
    if not fragment and refusal is None:
        return Redirect(version_path(model_id, number, place), status_code=303)
    return await _respond(
        house, visit, user, model_id, number, place, fragment=fragment, refusal=refusal, said=announcement
    )


async def _respond(
    house: House,
    visit: Visit,
    user: User,
    model_id: int,
    number: int,
    place: Place,
    *,
    fragment: bool,
    refusal: Refusal | None = None,
    said: Message | None = None,
) -> Response[str]:
    async with house.database.reading() as session:
        version = await versions.get_version_for(session, user, model_id, number)
        listed = await runs.list_runs_for_version(session, version)
        history = await versions.history_of(session, version)
    ready = is_prepared(house.settings.data_dir, version.model.dataset)
    if not ready:
        with suppress(BrokerAwayError):  # asked for again by every later look
            await house.queue.enqueue_preparation(version.model.dataset)
    page = build_editor(
        version, listed, place, samples_ready=ready, history=history, refusal=refusal, announcement=said
    )
    moved = fragment and visit.request.method == "POST"
    headers = {"HX-Replace-Url": version_path(model_id, number, page.place)} if moved else {}
    return house.renderer.respond(
        visit,
        TEMPLATE,
        page,
        block="editor" if fragment else None,
        status=refusal.status if refusal else 200,
        headers=headers,
    )
