"""A task as `components/task.html` shows it, wherever that is: bar, stage, estimate, reason of a failure, buttons."""

from dataclasses import dataclass

from scv.db.tables import Task
from scv.jobs.events import BrokerAwayError
from scv.message import Message, say
from scv.stage import Stage
from scv.web.http.services import Services

WAITING = say("In the queue")
STARTING = say("Starting …")
STOPPED = say("It was stopped.")


@dataclass(frozen=True, kw_only=True)
class TaskButton:
    """A form with one button. `about` names what it is about for those who cannot see where it stands."""

    label: Message
    address: str
    id: str
    style: str = "run"
    about: Message | None = None
    disabled: bool = False


@dataclass(frozen=True, kw_only=True)
class TaskView:
    """What is shown. `working` shows a bar, of which `share` (0 to 1) is full where that is known.

    `stage` says more about the work at hand, and `left` how many seconds it takes. `problem` keeps the work from going
    on. A view with `poll` is renewed from that address again and again.
    """

    title: Message
    id: str = "task"
    bad: bool = False
    working: bool = False
    share: float | None = None
    stage: Stage | None = None
    left: float | None = None
    notes: tuple[Message, ...] = ()
    failure: Message | None = None
    problem: Message | None = None
    buttons: tuple[TaskButton, ...] = ()
    poll: str | None = None

    @property
    def counted(self) -> bool:
        """Whether the stage counts something that a reader knows."""
        return self.stage is not None and self.stage.total > 0 and self.stage.unit != "share"

    @property
    def detail(self) -> Message | None:
        """What is being done, where the title does not say it."""
        return None if self.stage is None or self.stage.message == self.title else self.stage.message


def stop_button(
    address: str, task: Task | None = None, *, id: str = "stop-task", about: Message | None = None
) -> TaskButton:
    """The button that stops a task; it cannot be pressed twice."""
    stopping = task is not None and task.stop_requested
    label = say("Stopping …") if stopping else say("Stop")
    return TaskButton(label=label, address=address, id=id, style="stop", about=about, disabled=stopping)


def progress_view(
    task: Task,
    *,
    title: Message | None = None,
    id: str = "task",
    notes: tuple[Message, ...] = (),
    problem: Message | None = None,
    buttons: tuple[TaskButton, ...] = (),
    poll: str | None = None,
) -> TaskView:
    """A task that goes on. Its stage is the title where there is no other."""
    stage = task.current_stage
    if title is None:
        title = stage.message if stage is not None else WAITING if task.state == "queued" else STARTING
    return TaskView(
        title=title,
        id=id,
        working=True,
        share=task.fraction,
        stage=stage,
        left=task.estimate,
        notes=notes,
        problem=problem,
        buttons=buttons,
        poll=poll,
    )


async def wake_worker(services: Services) -> Message | None:
    """Have a worker look at once for tasks that wait; returns what keeps that from happening."""
    try:
        await services.queue.wake_task_runner()
    except BrokerAwayError as error:
        return error.message
    return None


async def wake_worker_for(services: Services, task: Task) -> Message | None:
    """The same where this task waits."""
    return await wake_worker(services) if task.state == "queued" else None
