"""The report of a run: a page that fills while the report is made, its images, and all of it as one file."""

from asyncio import to_thread
from collections.abc import Collection
from dataclasses import dataclass, replace

from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import File, Redirect

from scv.blocks.params import Param
from scv.data.official.catalogue import DatasetInfo
from scv.db import runs, tasks
from scv.db.tables import Model, Run, User, Version
from scv.errors import NotFoundError, RefusedError
from scv.files import report_folder
from scv.message import Message, say
from scv.training.diagnosis import Diagnosis
from scv.training.settings import TrainingSettings
from scv.web.blocks_view.place import version_path
from scv.web.datasets.lookup import dataset_of, is_gone
from scv.web.http.context import AppServices, Context, SignedIn
from scv.web.http.forms import file_name, read_form
from scv.web.http.render import AnyRequest, RequestContext
from scv.web.http.services import Services
from scv.web.reports.addresses import ImageAddresses, SectionLink, choices_of, query_of
from scv.web.reports.html_file import report_html
from scv.web.reports.render_sections import RenderedSection, planned_sections, render_section, written_settings
from scv.web.reports.state import (
    NO_IMAGES,
    NO_WEIGHTS,
    ReportState,
    folder_for,
    look_at_report,
    request_report,
    state_of_report,
    view_of,
)
from scv.web.runs.exports import Offer, offers
from scv.web.runs.live import LiveRun, live_run
from scv.web.runs.plots import diagnoses, plot_data
from scv.web.tasks.view import TaskView

TEMPLATE = "reports/report.html"

_KEPT = {"Cache-Control": "private, max-age=31536000, immutable"}


@dataclass(frozen=True)
class ContentsEntry:
    """A line of the table of contents: a section and, where it is not there yet, how far it is."""

    part: RenderedSection
    share: float | None = None
    note: Message | None = None


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
    parts: tuple[RenderedSection, ...]
    fresh: tuple[RenderedSection, ...]
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
        return (
            ()
            if self.run.status == "failed"
            else diagnoses(self.live, self.settings, self.dataset, self.run.test_accuracy)
        )

    @property
    def gone(self) -> bool:
        """Whether the images that it learned from were deleted."""
        return is_gone(self.run)

    @property
    def version_href(self) -> str:
        return version_path(self.model.id, self.version.number)

    @property
    def work(self) -> TaskView:
        """How far the report is, and what can be done about that."""
        return view_of(self.state, self.run, some_failed=any(part.state == "failed" for part in self.parts))

    @property
    def poll(self) -> str | None:
        """How soon the page asks for news; None where there will be none."""
        if self.state.task is None and not self.run.active:
            return None
        return "1s" if self.state.section_share is not None else "3s"

    @property
    def contents(self) -> tuple[ContentsEntry, ...]:
        """The table of contents."""
        return tuple(_entry(part, self.state) for part in self.parts)

    @property
    def can_be_made_anew(self) -> bool:
        return self.state.kind == "complete" and not self.gone

    @property
    def any_done(self) -> bool:
        return any(part.state == "done" for part in self.parts)

    @property
    def told(self) -> tuple[tuple[Param, str], ...]:
        """All training settings as they are written."""
        return written_settings(self.settings)


async def _run_for(services: Services, user: User, run_id: int) -> Run:
    async with services.database.reading() as session:
        return await runs.get_visible_run(session, user, run_id)


async def _editable_run_for(services: Services, user: User, run_id: int) -> Run:
    async with services.database.reading() as session:
        return await runs.get_editable_run(session, user, run_id)


def _entry(part: RenderedSection, state: ReportState) -> ContentsEntry:
    match part.state:
        case "failed":
            return ContentsEntry(part, note=say("failed"))
        case "waiting":
            return ContentsEntry(part, note=say("in the queue"))
        case "working" if state.section_share is None:
            return ContentsEntry(part, note=say("interrupted"))
        case "working":
            return ContentsEntry(part, share=state.section_share)
    return ContentsEntry(part)


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


def _parts(services: Services, context: RequestContext, run: Run, have: Collection[str]) -> tuple[RenderedSection, ...]:
    folder, page = folder_for(services, run), f"/runs/{run.id}/report"
    image, choices = ImageAddresses(page, folder), choices_of(context.request.query_params)
    return tuple(
        RenderedSection(state.name, state.title, state.state)
        if state.name in have
        else render_section(
            services.renderer, context.language.code, folder, state, image, SectionLink(page, state.name, choices)
        )
        for state in planned_sections(folder)
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
        run = await _editable_run_for(services, user, run_id)
        state = await state_of_report(services, run)
        if state.kind == "impossible":
            raise RefusedError(state.problem or NO_WEIGHTS)
        if state.can_be_made:
            if is_gone(run):
                raise RefusedError(NO_IMAGES)
            if form.get("anew"):
                services.files.delete(report_folder(run.id))
            await request_report(services, run)
        await look_at_report(services, run)
        return Redirect(f"/runs/{run_id}/report", status_code=303)

    @post("/report/stop", status_code=200)
    async def stop(self, user: SignedIn, services: AppServices, run_id: FromPath[int]) -> Redirect:
        """Have the work on it end; what is there stays."""
        run = await _editable_run_for(services, user, run_id)
        async with services.database.writing() as session:
            task = await tasks.find(session, "report", str(run.id))
            if task is not None:
                await tasks.request_stop(session, task)
        return Redirect(f"/runs/{run_id}/report", status_code=303)

    @get("/report/files/{name:str}")
    async def file(self, user: SignedIn, services: AppServices, run_id: FromPath[int], name: FromPath[str]) -> File:
        """One of the report's images, by its plain name."""
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
        if not any(state.state == "done" for state in planned_sections(folder)):
            raise NotFoundError(say("There is no report of this run yet."))
        live = live_run(run, run.settings.epochs)
        name = f"{run.version.model.name} run {run.id}"
        text = await to_thread(report_html, services.renderer, context.language.code, folder, name, live)
        return Response(
            text,
            media_type="text/html",
            headers={"content-disposition": f'attachment; filename="{file_name(name + " report", "html")}"'},
        )
