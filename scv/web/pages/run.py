"""A run: watch it, stop it, see what came of it, take its code and weights away."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import File, Redirect, ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.codegen import module_lines
from scv.blocks.document import Document, decode
from scv.blocks.message import say
from scv.blocks.progress import Stopped
from scv.blocks.training import TrainingSettings
from scv.data.catalogue import DatasetInfo, find
from scv.db import runs
from scv.db.tables import Model, Run, Version
from scv.errors import NotFoundError
from scv.files import weights_key
from scv.jobs.events import BrokerAwayError
from scv.web.dependencies import SignedIn, TheHouse, TheVisit
from scv.web.downloads import as_script
from scv.web.forms import file_name
from scv.web.highlight import HighlightedLine, highlight_module
from scv.web.live import LiveRun, live_run
from scv.web.place import version_path
from scv.web.render import AnyRequest
from scv.web.sse import run_events

TEMPLATE = "pages/run.html"


@dataclass(frozen=True)
class LivePage:
    """The part of the page that the event stream renews."""

    live: LiveRun


@dataclass(frozen=True)
class RunPage:
    """A run, what it trained, and how far it is."""

    run: Run
    model: Model
    version: Version
    dataset: DatasetInfo
    settings: TrainingSettings
    document: Document
    live: LiveRun
    code: tuple[HighlightedLine, ...]

    @property
    def layers(self) -> tuple[tuple[str, str], ...]:
        """Type and category of every block from top to bottom."""
        kinds = ((block.type, CATALOGUE.get(block.type)) for block in self.document.blocks)
        return tuple((name, kind.category if kind else "structure") for name, kind in kinds)

    @property
    def version_href(self) -> str:
        return version_path(self.model.id, self.version.number)


def _live(run: Run) -> LiveRun:
    return live_run(run, msgspec.json.decode(run.settings, type=TrainingSettings).epochs)


def _page(run: Run) -> RunPage:
    dataset = find(run.dataset)
    document = decode(run.document)
    return RunPage(
        run=run,
        model=run.version.model,
        version=run.version,
        dataset=dataset,
        settings=msgspec.json.decode(run.settings, type=TrainingSettings),
        document=document,
        live=_live(run),
        code=highlight_module(module_lines(document, dataset.shape, dataset.classes), document),
    )


class RunController(Controller):
    path = "/runs/{run_id:int}"

    @get()
    async def show(
        self,
        request: AnyRequest,
        visit: TheVisit,
        user: SignedIn,
        house: TheHouse,
        run_id: FromPath[int],
    ) -> Response[str]:
        async with house.database.reading() as session:
            run = await runs.get_run_for(session, user, run_id)
        block = "ended" if request.headers.get("hx-target") == "run" else None
        return house.renderer.respond(visit, TEMPLATE, _page(run), block=block)

    @get("/events")
    async def events(
        self,
        request: AnyRequest,
        visit: TheVisit,
        user: SignedIn,
        house: TheHouse,
        run_id: FromPath[int],
    ) -> ServerSentEvent:
        """The run as server-sent events; `?view=foot` for the short form below the editor."""
        async with house.database.reading() as session:
            run = await runs.get_run_for(session, user, run_id)
        template = "live_foot" if request.query_params.get("view") == "foot" else "live"
        seen = request.headers.get("last-event-id", "0-0")

        def render(live: LiveRun) -> str:
            return house.renderer.html(visit, f"partials/{template}.html", LivePage(live))

        messages: AsyncIterator[ServerSentEventMessage] = run_events(house, user, _live(run), seen, render)
        return ServerSentEvent(messages)

    @post("/stop", status_code=200)
    async def stop(
        self,
        request: AnyRequest,
        visit: TheVisit,
        user: SignedIn,
        house: TheHouse,
        run_id: FromPath[int],
    ) -> Response[Any]:
        """Ask for an end; the worker sees to it within a second or two."""
        async with house.database.writing() as session:
            run = await runs.get_run_for(session, user, run_id)
            key = weights_key(run_id)  # a queued run may have been trained for a while by a worker that was lost
            at_once = await runs.request_stop(session, run, key if house.files.path(key).exists() else None)
        if at_once:
            with suppress(BrokerAwayError):  # the page asks the database when the stream says nothing
                await house.queue.publish(run_id, Stopped(epochs=len(run.metrics)))
        if request.headers.get("hx-request") != "true":
            return Redirect(f"/runs/{run_id}", status_code=303)
        async with house.database.reading() as session:
            run = await runs.get_run_for(session, user, run_id)
        return house.renderer.respond(visit, "partials/stop.html", _page(run))

    @get("/script.py")
    async def script(self, user: SignedIn, house: TheHouse, run_id: FromPath[int]) -> Response[bytes]:
        """The program that trains the same network with the same settings by itself."""
        async with house.database.reading() as session:
            run = await runs.get_run_for(session, user, run_id)
        settings = msgspec.json.decode(run.settings, type=TrainingSettings)
        return as_script(run.version.model.name, run.dataset, decode(run.document), settings)

    @get("/weights.safetensors")
    async def weights(self, user: SignedIn, house: TheHouse, run_id: FromPath[int]) -> File:
        """The best weights, where the run has any."""
        async with house.database.reading() as session:
            run = await runs.get_run_for(session, user, run_id)
        try:
            path = house.files.path(run.weights) if run.weights else None
        except ValueError:  # no key of ours
            path = None
        if path is None or not path.is_file():
            raise NotFoundError(say("This run has no weights."))
        return File(
            path,
            filename=file_name(f"{run.version.model.name} run {run.id}", "safetensors"),
            media_type="application/octet-stream",
        )
