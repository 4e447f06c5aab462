"""The page of a run: progress, result, pause and stop, training again, and downloads of code and weights."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import File, Redirect, ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.codegen import module_lines
from scv.blocks.document import Document
from scv.blocks.params import Param
from scv.data.official.catalogue import DatasetInfo
from scv.db import runs
from scv.db.scheduling import position_of
from scv.db.tables import Model, Run, User, Version
from scv.errors import NotFoundError
from scv.files import weights_key
from scv.jobs.events import BrokerAwayError
from scv.message import Message, say
from scv.training.diagnosis import Diagnosis
from scv.training.progress import Paused
from scv.training.settings import FIELDS, TrainingSettings, lower_rate
from scv.web.blocks_view.blocks import Field, Piece
from scv.web.blocks_view.form_fields import setting_field, shown_value, typed_settings
from scv.web.blocks_view.highlight import HighlightedLine, highlight_module
from scv.web.blocks_view.pieces import pieces_to_show
from scv.web.blocks_view.place import version_path
from scv.web.datasets.lookup import dataset_of, is_gone, refuse_without_images
from scv.web.http.context import AppServices, Context, SignedIn
from scv.web.http.forms import Form, file_name, read_form
from scv.web.http.render import AnyRequest, RequestContext
from scv.web.http.services import Services
from scv.web.runs.downloads import as_script
from scv.web.runs.enqueue import enqueue_runs, publish_stopped
from scv.web.runs.events import run_events
from scv.web.runs.exports import Offer, offers
from scv.web.runs.limits import refuse_too_much
from scv.web.runs.live import LiveRun, live_run
from scv.web.runs.plots import diagnoses, plot_data
from scv.web.runs.series import Series, accuracies_of, series_of

TEMPLATE = "runs/run.html"


@dataclass(frozen=True)
class LivePage:
    """The part of the page that is replaced by server-sent events."""

    live: LiveRun
    diagnoses: tuple[Diagnosis, ...]
    plot: str


@dataclass(frozen=True)
class RunPage:
    """A run with its network, its settings, its progress and its result."""

    run: Run
    model: Model
    version: Version
    dataset: DatasetInfo
    settings: TrainingSettings
    document: Document
    live: LiveRun
    code: tuple[HighlightedLine, ...]
    fields: tuple[Field, ...]
    diagnoses: tuple[Diagnosis, ...]
    plot: str
    series: Series | None
    offers: tuple[Offer, ...]

    @property
    def told(self) -> tuple[tuple[Param, str], ...]:
        """Settings with their values as text: the main ones, the seed, and all that differ from their defaults."""
        all_of_them = ((param, getattr(self.settings, param.name)) for param in FIELDS)
        return tuple(
            (param, param.written(value))
            for param, value in all_of_them
            if param.main or param.name == "seed" or value != param.default
        )

    @property
    def refused(self) -> bool:
        """Whether a setting that was typed is invalid."""
        return any(field.error for field in self.fields)

    @property
    def layers(self) -> tuple[tuple[str, str], ...]:
        """The type and the category of each block from top to bottom."""
        kinds = ((block.type, CATALOGUE.get(block.type)) for block in self.document.blocks)
        return tuple((name, kind.category if kind else "structure") for name, kind in kinds)

    @property
    def remedy(self) -> Mapping[str, float]:
        """The changes of settings that may help a run that diverged; else empty."""
        rate = lower_rate(self.settings)
        return (
            {"learning_rate": rate}
            if self.run.failure_code == "diverged" and rate < self.settings.learning_rate
            else {}
        )

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The blocks of the network with their shapes."""
        return pieces_to_show(self.document, self.dataset.shape, self.dataset.classes)

    @property
    def gone(self) -> bool:
        """Whether the images of its dataset were deleted."""
        return is_gone(self.run)

    @property
    def version_href(self) -> str:
        return version_path(self.model.id, self.version.number)


def _fields(settings: TrainingSettings, form: Form, refused: Mapping[str, Message]) -> tuple[Field, ...]:
    """The fields for another training: the typed values, else the settings of the run."""
    named = [(setting_field(param.name), param) for param in FIELDS]
    return tuple(
        Field(name, param, form.get(name, shown_value(param, getattr(settings, param.name))), refused.get(name))
        for name, param in named
    )


def _page(
    services: Services,
    run: Run,
    position: int | None = None,
    series_runs: Sequence[Run] = (),
    form: Form | None = None,
    refused: Mapping[str, Message] | None = None,
) -> RunPage:
    dataset = dataset_of(run)
    document, settings = run.document, run.settings
    live = live_run(run, settings.epochs, position)
    return RunPage(
        run=run,
        model=run.version.model,
        version=run.version,
        dataset=dataset,
        settings=settings,
        document=document,
        live=live,
        code=highlight_module(module_lines(document, dataset.shape, dataset.classes), document),
        fields=_fields(settings, form or {}, refused or {}),
        diagnoses=() if run.status == "failed" else diagnoses(live, settings, dataset, run.test_accuracy),
        plot=plot_data(live, accuracies_of(run, series_runs)),
        series=series_of(series_runs),
        offers=() if run.active or run.held else offers(run, services.files),
    )


async def _load(services: Services, user: User, run_id: int) -> tuple[Run, int | None, list[Run]]:
    """The user's run, its place among the runs that wait if it is one of them, and its series."""
    async with services.database.reading() as session:
        run = await runs.get_visible_run(session, user, run_id)
        position = await position_of(session, run_id) if run.status == "queued" else None
        return run, position, await runs.list_series(session, run)


async def _controls(
    request: AnyRequest, context: RequestContext, services: Services, user: User, run_id: int
) -> Response[Any]:
    """The answer to a button of the page: the buttons for htmx, a redirect to the page for a plain form."""
    run, _, _ = await _load(services, user, run_id)
    if not request.htmx:
        return Redirect(f"/runs/{run_id}", status_code=303)
    return services.renderer.respond(context, "runs/controls.html", _page(services, run))


class RunController(Controller):
    path = "/runs/{run_id:int}"

    @get()
    async def show(
        self,
        request: AnyRequest,
        context: Context,
        user: SignedIn,
        services: AppServices,
        run_id: FromPath[int],
    ) -> Response[str]:
        run, position, series_runs = await _load(services, user, run_id)
        block = "ended" if request.htmx.target == "run" else None
        return services.renderer.respond(context, TEMPLATE, _page(services, run, position, series_runs), block=block)

    @get("/events")
    async def events(
        self,
        request: AnyRequest,
        context: Context,
        user: SignedIn,
        services: AppServices,
        run_id: FromPath[int],
    ) -> ServerSentEvent:
        """The run as server-sent events; `?view=foot` for the short form below the editor."""
        run, position, series_runs = await _load(services, user, run_id)
        others = accuracies_of(run, series_runs)
        template = "live_foot" if request.query_params.get("view") == "foot" else "live"
        seen = request.headers.get("last-event-id", "0-0")

        settings, dataset = run.settings, dataset_of(run)

        def render(live: LiveRun) -> str:
            page = LivePage(live, diagnoses(live, settings, dataset), plot_data(live, others))
            return services.renderer.html(context, f"runs/{template}.html", page)

        messages: AsyncIterator[ServerSentEventMessage] = run_events(
            services, user, live_run(run, settings.epochs, position), seen, render
        )
        return ServerSentEvent(messages)

    @post("/stop", status_code=200)
    async def stop(
        self,
        request: AnyRequest,
        context: Context,
        user: SignedIn,
        services: AppServices,
        run_id: FromPath[int],
    ) -> Response[Any]:
        """Request that the run stops. A worker stops it within a second or two."""
        async with services.database.writing() as session:
            run = await runs.get_editable_run(session, user, run_id)
            # A queued run may have weights from before a pause, or from a worker that was lost.
            at_once = await runs.request_stop(session, run, services.files.existing(weights_key(run_id)))
        if at_once:
            await publish_stopped(services, run)
        return await _controls(request, context, services, user, run_id)

    @post("/pause", status_code=200)
    async def pause(
        self,
        request: AnyRequest,
        context: Context,
        user: SignedIn,
        services: AppServices,
        run_id: FromPath[int],
    ) -> Response[Any]:
        """Request a pause. The worker saves the state and takes other runs."""
        async with services.database.writing() as session:
            run = await runs.get_editable_run(session, user, run_id)
            at_once = await runs.request_pause(session, run)
        if at_once:
            with suppress(BrokerAwayError):
                await services.queue.publish(run_id, Paused(epochs=len(run.metrics)))
        return await _controls(request, context, services, user, run_id)

    @post("/resume", status_code=200)
    async def resume(self, user: SignedIn, services: AppServices, run_id: FromPath[int]) -> Redirect:
        """Queue a paused run again. It continues exactly where it was."""
        async with services.database.writing() as session:
            attempt = await runs.resume_run(session, await runs.get_editable_run(session, user, run_id))
        if attempt is not None:
            await enqueue_runs(services, [(run_id, attempt)])
        return Redirect(f"/runs/{run_id}", status_code=303)

    @post("/stop-series", status_code=200)
    async def stop_series(self, user: SignedIn, services: AppServices, run_id: FromPath[int]) -> Redirect:
        """Request that all active runs of the series stop."""
        async with services.database.writing() as session:
            series_runs = await runs.list_series(session, await runs.get_editable_run(session, user, run_id))
            stopped = [
                one
                for one in series_runs
                if await runs.request_stop(session, one, services.files.existing(weights_key(one.id)))
            ]
        for one in stopped:
            await publish_stopped(services, one)
        return Redirect(f"/runs/{run_id}", status_code=303)

    @post("/again", status_code=200)
    async def again(
        self,
        request: AnyRequest,
        context: Context,
        user: SignedIn,
        services: AppServices,
        run_id: FromPath[int],
    ) -> Response[Any]:
        """Train the network again in a new run, with the same settings or with the typed ones."""
        form = await read_form(request)
        refused: dict[str, Message] = {}
        async with services.database.writing() as session:
            run = await runs.get_editable_run(session, user, run_id)
            settings = typed_settings(form, run.settings, refused)
            if not refused:
                refuse_without_images(user, run)
                await refuse_too_much(session, services.settings, run.version, dataset_of(run), run.document, settings)
                new = await runs.repeat_run(session, run, settings, services.settings.queued_per_user)
        if refused:
            return services.renderer.respond(
                context, TEMPLATE, _page(services, run, form=form, refused=refused), status=422
            )
        await enqueue_runs(services, [(run.id, run.attempt) for run in new])
        return Redirect(f"/runs/{new[0].id}", status_code=303)

    @get("/script.py")
    async def script(self, user: SignedIn, services: AppServices, run_id: FromPath[int]) -> Response[bytes]:
        """The script that trains the same network with the same settings."""
        async with services.database.reading() as session:
            run = await runs.get_visible_run(session, user, run_id)
        return as_script(run.version.model.name, dataset_of(run), run.document, run.settings)

    @get("/weights.safetensors")
    async def weights(self, user: SignedIn, services: AppServices, run_id: FromPath[int]) -> File:
        """The best weights. Raises `NotFoundError` where the run has none."""
        async with services.database.reading() as session:
            run = await runs.get_visible_run(session, user, run_id)
        try:
            path = services.files.path(run.weights) if run.weights else None
        except ValueError:  # no key of ours
            path = None
        if path is None or not path.is_file():
            raise NotFoundError(say("This run has no weights."))
        return File(
            path,
            filename=file_name(f"{run.version.model.name} run {run.id}", "safetensors"),
            media_type="application/octet-stream",
        )
