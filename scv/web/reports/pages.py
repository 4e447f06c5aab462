"""The report of a run: a page that fills while the report is made, its pictures, and all of it as one file."""

from asyncio import to_thread
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import File, Redirect

from scv.blocks.params import Param
from scv.data.official.catalogue import DatasetInfo
from scv.db import runs
from scv.db.tables import ACTIVE, Model, Run, User, Version
from scv.errors import NotFoundError, RefusedError
from scv.files import report_folder, weights_key
from scv.jobs.events import BrokerAwayError
from scv.jobs.report_state import (
    ReportUnderway,
    ask_for_report,
    ask_to_stop_report,
    report_failure,
    report_stopped,
    report_underway,
)
from scv.message import Message, say
from scv.training.diagnosis import Diagnosis
from scv.training.settings import TrainingSettings
from scv.web.blocks_view.place import version_path
from scv.web.datasets.lookup import dataset_of, is_gone
from scv.web.http.context import AppServices, Context, SignedIn
from scv.web.http.forms import file_name, read_form
from scv.web.http.render import AnyRequest, RequestContext
from scv.web.http.services import Services
from scv.web.reports.file import report_html
from scv.web.reports.links import Link, PictureAddresses, choices_of, query_of
from scv.web.reports.parts import Part, show_part, states_of, told_settings
from scv.web.runs.exports import Offer, offers
from scv.web.runs.live import LiveRun, live_run
from scv.web.runs.plots import diagnoses, plot_data

TEMPLATE = "reports/report.html"

_KEPT = {"Cache-Control": "private, max-age=31536000, immutable"}

Kind = Literal["complete", "working", "stopped", "failed", "unwanted", "impossible"]

NO_WEIGHTS = say("This run has no weights, so there is nothing to report on.")
GOES_ON = say("The test pictures are for the end: the report is made when the run has ended.")
NO_PICTURES = say(
    "The pictures that it learned from were deleted. What is missing of the report cannot be made any more."
)


@dataclass(frozen=True)
class ReportState:
    """How far a report is.

    `kind` complete: all there is; working: it is being made or waits for that, `underway` says how far it is; stopped:
    somebody wished so; failed and impossible: `problem` says why; unwanted: nobody asked for it. Where `kind` is
    working, `problem` keeps it from going on.
    """

    kind: Kind
    underway: ReportUnderway | None = None
    problem: Message | None = None

    @property
    def can_be_made(self) -> bool:
        return self.kind in ("complete", "stopped", "failed", "unwanted")


@dataclass(frozen=True)
class ReportPage:
    """A run's report. `fresh` are the sections that the reader's page does not have yet, all of them for a new one.

    `unplanned`: the reader's page is from before it was known which sections there will be.
    """

    run: Run
    model: Model
    version: Version
    dataset: DatasetInfo
    settings: TrainingSettings
    live: LiveRun
    state: ReportState
    parts: tuple[Part, ...]
    fresh: tuple[Part, ...]
    state_address: str
    offers: tuple[Offer, ...]
    unplanned: bool = False

    @property
    def href(self) -> str:
        return f"/runs/{self.run.id}/report"

    @property
    def plot(self) -> str:
        """The curves of the training."""
        return plot_data(self.live, [])

    @property
    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """What the curves say."""
        return () if self.run.status == "failed" else diagnoses(self.live, self.settings, self.dataset.classes)

    @property
    def gone(self) -> bool:
        """Whether the pictures that it learned from were deleted."""
        return is_gone(self.run)

    @property
    def version_href(self) -> str:
        return version_path(self.model.id, self.version.number)

    @property
    def working_title(self) -> str:
        """What is being made at the moment; empty where that is not known."""
        named = self.state.underway.section if self.state.underway is not None else ""
        return next((section.title for section in self.parts if section.name == named), "")

    @property
    def any_done(self) -> bool:
        return any(part.state == "done" for part in self.parts)

    @property
    def some_failed(self) -> bool:
        return any(section.state == "failed" for section in self.parts)

    @property
    def told(self) -> tuple[tuple[Param, str], ...]:
        """All training settings as they are written."""
        return told_settings(self.settings)


async def _run_for(services: Services, user: User, run_id: int) -> Run:
    async with services.database.reading() as session:
        return await runs.get_run_for(session, user, run_id)


def folder_for(services: Services, run: Run) -> Path:
    """The folder of the report of a run that was loaded for its user."""
    return services.files.path(report_folder(run.id))


def state_of_report(services: Services, run: Run) -> ReportState:
    """How far the report of the run is."""
    folder = folder_for(services, run)
    states = states_of(folder)
    underway = report_underway(folder)
    if underway is None and states and all(state.state in ("done", "failed") for state in states):
        return ReportState("complete")
    if run.status in ACTIVE:
        return ReportState("impossible", problem=GOES_ON)
    if services.files.existing(weights_key(run.id)) is None:
        return ReportState("impossible", problem=NO_WEIGHTS)
    if is_gone(run):
        return ReportState("impossible", problem=NO_PICTURES)
    if underway is not None:
        return ReportState("working", underway)
    if failure := report_failure(folder):
        return ReportState("failed", problem=failure)
    if report_stopped(folder):
        return ReportState("stopped")
    return ReportState("unwanted")


async def look_at_report(services: Services, run: Run) -> ReportState:
    """The state; what is wanted is asked for again at every look: a worker that was killed tells nobody.

    That of a finished run is wanted by whoever looks at it.
    """
    state = state_of_report(services, run)
    if state.kind == "unwanted" and run.status == "finished":
        ask_for_report(folder_for(services, run))
        state = state_of_report(services, run)
    if state.kind == "working":
        try:
            await services.queue.enqueue_report(run.id)
        except BrokerAwayError as error:
            return ReportState("working", state.underway, error.message)
    return state


async def _page(
    services: Services, context: RequestContext, user: User, run_id: int, have: Collection[str] = ()
) -> ReportPage:
    """The page of the user's run; sections that the reader has already are not rendered again."""
    run = await _run_for(services, user, run_id)
    dataset = dataset_of(run)
    live = live_run(run, run.settings.epochs)
    state = await look_at_report(services, run)
    parts = await to_thread(_parts, services, context, run, have)
    ended = ".".join(part.name for part in parts if part.ended)
    query = query_of({**choices_of(context.request.query_params), "have": ended, "planned": "yes" if parts else None})
    return ReportPage(
        run=run,
        model=run.version.model,
        version=run.version,
        dataset=dataset,
        settings=run.settings,
        live=live,
        state=state,
        parts=parts,
        fresh=tuple(section for section in parts if section.name not in have),
        state_address=f"/runs/{run.id}/report/state?{query}",
        offers=offers(run, services.files),
    )


def _parts(services: Services, context: RequestContext, run: Run, have: Collection[str]) -> tuple[Part, ...]:
    folder, page = folder_for(services, run), f"/runs/{run.id}/report"
    picture, choices = PictureAddresses(page, folder), choices_of(context.request.query_params)
    return tuple(
        Part(state.name, state.title, state.state)
        if state.name in have
        else show_part(
            services.renderer, context.language.code, folder, state, picture, Link(page, state.name, choices)
        )
        for state in states_of(folder)
    )


class ReportController(Controller):
    path = "/runs/{run_id:int}"

    @get("/report")
    async def show(
        self, context: Context, user: SignedIn, services: AppServices, run_id: FromPath[int]
    ) -> Response[str]:
        return services.renderer.respond(context, TEMPLATE, await _page(services, context, user, run_id))

    @get("/report/state")
    async def state(
        self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices, run_id: FromPath[int]
    ) -> Response[str]:
        """How far it is, and the sections that the page does not have yet; `?have=` names the others."""
        unplanned = "planned" not in request.query_params
        have = () if unplanned else request.query_params.get("have", "").split(".")
        page = replace(await _page(services, context, user, run_id, have), unplanned=unplanned)
        return services.renderer.respond(context, TEMPLATE, page, block="news")

    @post("/report/make", status_code=200)
    async def make(self, request: AnyRequest, user: SignedIn, services: AppServices, run_id: FromPath[int]) -> Redirect:
        """Have it made: what is missing or failed, or with `anew` all of it."""
        form = await read_form(request)
        run = await _run_for(services, user, run_id)
        state, folder = state_of_report(services, run), folder_for(services, run)
        if state.kind == "impossible":
            raise RefusedError(state.problem or NO_WEIGHTS)
        if state.can_be_made:
            if is_gone(run):
                raise RefusedError(NO_PICTURES)
            if form.get("anew"):
                services.files.delete(report_folder(run.id))
            ask_for_report(folder)
        await look_at_report(services, run)
        return Redirect(f"/runs/{run_id}/report", status_code=303)

    @post("/report/stop", status_code=200)
    async def stop(self, user: SignedIn, services: AppServices, run_id: FromPath[int]) -> Redirect:
        """Have the work on it end; what is there stays."""
        run = await _run_for(services, user, run_id)
        ask_to_stop_report(folder_for(services, run))
        return Redirect(f"/runs/{run_id}/report", status_code=303)

    @get("/report/files/{name:str}")
    async def file(self, user: SignedIn, services: AppServices, run_id: FromPath[int], name: FromPath[str]) -> File:
        """One of the report's pictures, by its plain name."""
        run = await _run_for(services, user, run_id)
        try:
            path = services.files.path(f"{report_folder(run.id)}/{name}")
        except ValueError:  # no key
            path = None
        if path is None or path.suffix != ".png" or not path.is_file():
            raise NotFoundError(say("There is no such file in this report."))
        return File(
            path,
            filename=name,
            content_disposition_type="inline",
            media_type="image/png",
            headers=_KEPT,
        )

    @get("/report.html")
    async def whole(
        self, context: Context, user: SignedIn, services: AppServices, run_id: FromPath[int]
    ) -> Response[bytes]:
        """All that there is of it as one file that needs no server."""
        run = await _run_for(services, user, run_id)
        folder = folder_for(services, run)
        if not any(state.state == "done" for state in states_of(folder)):
            raise NotFoundError(say("There is no report of this run yet."))
        live = live_run(run, run.settings.epochs)
        name = f"{run.version.model.name} run {run.id}"
        text = await to_thread(report_html, services.renderer, context.language.code, folder, name, live)
        return Response(
            text,
            media_type="text/html",
            headers={"content-disposition": f'attachment; filename="{file_name(name + " report", "html")}"'},
        )
