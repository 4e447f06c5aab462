"""The workers, what they do and what waits for them: a page for the owner of the instance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from scv.db import admin, runs
from scv.db.access import owns
from scv.db.tables import Run, Task, User
from scv.files import weights_key
from scv.jobs.events import BrokerAwayError
from scv.jobs.presence import WorkerState
from scv.message import Message
from scv.web.http.context import AppServices, Context, SignedIn
from scv.web.http.guards import requires_owner
from scv.web.http.render import AnyRequest, RequestContext
from scv.web.http.services import Services
from scv.web.runs.enqueue import publish_stopped
from scv.web.tasks.kinds import kind_of
from scv.web.tasks.view import TaskView, progress_view, stop_button

TEMPLATE = "admin/workers.html"

SHOWN = 50
"""How many of the runs that wait, and of the tasks, are listed."""


@dataclass(frozen=True)
class ListedRun:
    """A run of any user as the owner of the instance sees it; `mine` says that it is their own, and a link.

    `epoch` counts from 1 and is the one at hand; `place` says which worker has the run, None where none says so.
    """

    run: Run
    epochs: int
    mine: bool
    epoch: int = 0
    place: str | None = None

    @property
    def model(self) -> str:
        return self.run.version.model.name

    @property
    def user(self) -> str:
        return self.run.version.model.user.name


@dataclass(frozen=True)
class OtherWork:
    """A task of anybody's as the owner sees it."""

    title: Message
    user: str
    view: TaskView


@dataclass(frozen=True)
class WorkersPage:
    """`workers` is None while the broker, which they announce themselves to, is away; `total` counts all that wait."""

    workers: Sequence[WorkerState] | None
    training: Sequence[ListedRun]
    waiting: Sequence[ListedRun]
    total: int
    tasks: Sequence[OtherWork]

    @property
    def trainers(self) -> int:
        """How many workers train; those that prepare datasets do not count."""
        return sum(1 for worker in self.workers or () if worker.seats)


class WorkersController(Controller):
    path = "/workers"
    guards = (requires_owner,)

    @get()
    async def show(self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices) -> Response[str]:
        block = "workers" if request.htmx.target == "workers" else None
        return await _respond(services, context, user, block)

    @post("/runs/{run_id:int}/stop", status_code=200)
    async def stop(
        self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices, run_id: FromPath[int]
    ) -> Response[Any]:
        """Ask the run of any user to stop, exactly as that user could."""
        async with services.database.writing() as session:
            run = await admin.get_any_run(session, run_id)
            at_once = await runs.request_stop(session, run, services.files.existing(weights_key(run_id)))
        if at_once:
            await publish_stopped(services, run)
        if not request.htmx:
            return Redirect("/workers", status_code=303)
        return await _respond(services, context, user, "workers")

    @post("/tasks/{task_id:int}/stop")
    async def stop_task(self, user: SignedIn, services: AppServices, task_id: FromPath[int]) -> Redirect:
        """Have anybody's task end, exactly as its user could."""
        async with services.database.writing() as session:
            task = await admin.get_any_task(session, task_id)
            await kind_of(task).stop(session, task)
        return Redirect("/workers", status_code=303)


async def _respond(services: Services, context: RequestContext, user: User, block: str | None) -> Response[str]:
    async with services.database.reading() as session:
        training = await admin.list_all_training(session)
        line = await admin.list_all_waiting(session, SHOWN)
        tasks = await admin.list_all_tasks(session, SHOWN)
    workers: list[WorkerState] | None
    try:
        workers = await services.queue.list_workers()
    except BrokerAwayError:
        workers = None
    places = {
        seat.run_id: f"{worker.host}, {worker.pid}" for worker in workers or () for seat in worker.seats if seat.run_id
    }
    page = WorkersPage(
        workers,
        [_listed(run, user, done, places.get(run.id)) for run, done in training],
        [_listed(run, user) for run in line.runs],
        line.total,
        [_other_work(task) for task in tasks],
    )
    return services.renderer.respond(context, TEMPLATE, page, block=block)


def _listed(run: Run, owner: User, done: int = 0, place: str | None = None) -> ListedRun:
    epochs = run.settings.epochs
    return ListedRun(run, epochs, owns(owner, run.version.model), min(done + 1, epochs), place)


def _other_work(task: Task) -> OtherWork:
    title = kind_of(task).title(task)
    stop = stop_button(f"/workers/tasks/{task.id}/stop", task, id=f"stop-task-{task.id}", about=title)
    return OtherWork(title, task.user.name, progress_view(task, id=f"task-{task.id}", buttons=(stop,)))
