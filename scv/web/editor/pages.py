"""The editor of a version: show it, carry out edits, start runs."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar_htmx import ReplaceUrl
from sqlalchemy.ext.asyncio import AsyncSession

from scv.blocks.operations import OperationError
from scv.data.official.catalogue import DATASETS
from scv.data.resident import is_prepared
from scv.db import runs, versions
from scv.db.tables import Run, User, Version
from scv.errors import ConflictError, RefusedError
from scv.message import say
from scv.web.blocks_view.blocks import Refusal
from scv.web.blocks_view.place import Place, version_path
from scv.web.datasets.lookup import may_train
from scv.web.datasets.state import look_at, obstacle_of
from scv.web.editor import actions
from scv.web.editor.carry_out import REFUSALS, Opened, Outcome, carry_out, start_runs
from scv.web.editor.edits import FieldsRefusedError
from scv.web.editor.view import Shown, build_editor
from scv.web.http.context import AppServices, Context, SignedIn
from scv.web.http.forms import Form, read_form
from scv.web.http.htmx import redirect, with_effects
from scv.web.http.render import AnyRequest, RequestContext
from scv.web.http.services import Services
from scv.web.runs.enqueue import enqueue_runs

TEMPLATE = "editor/editor.html"

BLOCKS = ("editor", "kinds")
"""The blocks of the template that htmx asks for; each is called like the element that it replaces."""


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
        target = request.htmx.target
        async with services.database.reading() as session:
            version = await versions.get_visible_version(session, user, model_id, number)
            opened = await _open(services, session, user, version)
        await _prepare_samples(services, opened)
        outcome = Outcome(Place.read(request.query_params))
        return _respond(services, context, opened, outcome, block=target if target in BLOCKS else None)

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
        outcome, refusal = Outcome(Place.read(form)), None
        async with services.database.writing() as session:
            version = await versions.get_editable_version(session, user, model_id, number)
            opened = await _open(services, session, user, version)
            try:
                outcome = await carry_out(opened, form, context.language.text)
            except REFUSALS as error:
                refusal = _refusal(error, form, version)
        return _answer(services, context, opened, outcome, refusal)

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
            opened = await _open(services, session, user, version)
            try:
                started = await start_runs(opened, form, services.settings)
            except REFUSALS as error:
                refusal = _refusal(error, form, version)
        if not started:
            return _answer(services, context, opened, Outcome(Place.read(form)), refusal)
        await enqueue_runs(services, [(run.id, run.attempt) for run in started])
        return redirect(request, f"/runs/{started[0].id}")


async def _open(services: Services, session: AsyncSession, user: User, version: Version) -> Opened:
    """The version with all that the editor shows of it."""
    around = await versions.surroundings_of(session, user, version)
    opened = Opened(session, user, version, around, await runs.list_runs_for_version(session, version))
    if (official := DATASETS.get(version.model.dataset)) is not None:
        opened.samples_failure = await obstacle_of(session, services.settings.data_dir, official)
    return opened


async def _prepare_samples(services: Services, opened: Opened) -> None:
    """Whoever opens the editor has an official dataset prepared."""
    if (official := DATASETS.get(opened.version.model.dataset)) is not None:
        opened.samples_failure = (await look_at(services, opened.user, official, download=True)).obstacle


def _refusal(error: Exception, form: Form, version: Version) -> Refusal:
    match error:
        case FieldsRefusedError(messages=messages):
            return Refusal(422, say("Nothing was saved: a value cannot be used."), messages, form)
        case ConflictError(message=message):
            typed = actions.typed_fields(form)
            return Refusal(409, message, {}, typed, actions.again(form, version.document))
        case OperationError(message=message):
            return Refusal(422, message, {}, form)
        case RefusedError(message=message):
            return Refusal(422, message)
    raise error


def _answer(
    services: Services, context: RequestContext, opened: Opened, outcome: Outcome, refusal: Refusal | None
) -> Response[Any]:
    """To htmx the editor as it is now; to a plain form a redirect, or the page with what was refused."""
    fragment = bool(context.request.htmx)
    if not fragment and refusal is None:
        version = opened.version
        return Redirect(version_path(version.model.id, version.number, outcome.place), status_code=303)
    return _respond(services, context, opened, outcome, block="editor" if fragment else None, refusal=refusal)


def _respond(
    services: Services,
    context: RequestContext,
    opened: Opened,
    outcome: Outcome,
    *,
    block: str | None,
    refusal: Refusal | None = None,
) -> Response[str]:
    version = opened.version
    shown = Shown(
        version=version,
        runs=opened.runs,
        around=opened.around,
        samples_ready=is_prepared(services.settings.data_dir, version.model.dataset),
        samples_failure=opened.samples_failure,
        gone=not may_train(opened.user, version.model),
        refusal=refusal,
        announcement=outcome.announcement,
    )
    page = build_editor(shown, outcome.place, context.language.text, outcome.checked)
    status = refusal.status if refusal else 200
    response = services.renderer.respond(context, TEMPLATE, page, block=block, status=status)
    if block is not None and context.request.method == "POST":
        address = version_path(version.model.id, version.number, page.place)
        return with_effects(response, ReplaceUrl(None, address))
    return response
