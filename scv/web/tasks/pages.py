"""What a user had done that takes a while and is not a training: how far it is, and how it ended."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from scv.db import datasets, tasks
from scv.db.tables import Task
from scv.errors import RefusedError
from scv.message import Message, say
from scv.web.http.context import AppServices, Context, SignedIn
from scv.web.http.render import AnyRequest
from scv.web.http.services import Services
from scv.web.tasks.kinds import NOTHING_TO_TRY, kind_of
from scv.web.tasks.view import TaskButton, TaskView, progress_view, stop_button, wake_worker

TEMPLATE = "tasks/tasks.html"

SHOWN = 100
"""So many tasks are listed; of each subject there is only the last."""

_ENDINGS = {"done": say("Done"), "stopped": say("Stopped"), "failed": say("Failed")}


@dataclass(frozen=True)
class TaskRow:
    """A task: what it is, where its subject has a page, and how far it is."""

    title: Message
    href: str | None
    view: TaskView
    requested: datetime


@dataclass(frozen=True)
class TasksPage:
    """The user's tasks: what runs, what waits, what has ended, each the newest first."""

    rows: tuple[TaskRow, ...]
    active: bool


class TaskController(Controller):
    path = "/tasks"

    @get()
    async def show(self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices) -> Response[str]:
        async with services.database.reading() as session:
            found = await tasks.list_owned_tasks(session, user, SHOWN)
            own = await datasets.ids_of(session, user)
        rows = tuple(
            TaskRow(kind_of(task).title(task), kind_of(task).href(task, own), _view(services, task), task.created_at)
            for task in found
        )
        block = "tasks" if request.htmx.target == "tasks" else None
        page = TasksPage(rows, any(task.active for task in found))
        return services.renderer.respond(context, TEMPLATE, page, block=block)

    @post("/{task_id:int}/stop")
    async def stop(self, user: SignedIn, services: AppServices, task_id: FromPath[int]) -> Redirect:
        async with services.database.writing() as session:
            task = await tasks.get_owned_task(session, user, task_id)
            await kind_of(task).stop(session, task)
        return Redirect("/tasks", status_code=303)

    @post("/{task_id:int}/again")
    async def again(self, user: SignedIn, services: AppServices, task_id: FromPath[int]) -> Response[Any]:
        """Do it once more, where it failed or was stopped."""
        async with services.database.writing() as session:
            task = await tasks.get_owned_task(session, user, task_id)
            if not task.active:  # else somebody was faster
                if not kind_of(task).can_try_again(services.files, task):
                    raise RefusedError(NOTHING_TO_TRY)
                await kind_of(task).again(session, user, task)
        await wake_worker(services)
        return Redirect("/tasks", status_code=303)


def _view(services: Services, task: Task) -> TaskView:
    """How far the task is, with the buttons that its user has."""
    path, name = f"/tasks/{task.id}", f"task-{task.id}"
    about = kind_of(task).title(task)
    if task.active:
        stop = stop_button(f"{path}/stop", task, id=f"stop-{task.id}", about=about)
        return progress_view(task, id=name, buttons=(stop,))
    again = TaskButton(label=say("Try again"), address=f"{path}/again", id=f"again-{task.id}", about=about)
    return TaskView(
        title=_ENDINGS[task.state],
        id=name,
        bad=task.state == "failed",
        failure=task.failure,
        buttons=(again,) if kind_of(task).can_try_again(services.files, task) else (),
    )
