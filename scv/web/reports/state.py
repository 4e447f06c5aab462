"""How far the report of a run is, and what its page says about that and offers to do."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scv.db import runs, tasks
from scv.db.tables import ACTIVE, Run, Task
from scv.files import report_folder, weights_key
from scv.message import Message, say
from scv.web.datasets.lookup import is_gone
from scv.web.http.services import Services
from scv.web.reports.render_sections import planned_sections
from scv.web.tasks.view import TaskButton, TaskView, progress_view, stop_button, wake_worker_for

Kind = Literal["complete", "working", "stopped", "failed", "unwanted", "impossible"]

NO_WEIGHTS = say("This run has no weights, so there is nothing to report on.")
GOES_ON = say("The report uses the test images. It is made when the run has ended.")
NO_IMAGES = say("The dataset was deleted. The missing parts of the report cannot be made any more.")


@dataclass(frozen=True)
class ReportState:
    """How far a report is.

    `kind` is complete: all there is; working: it is being made or waits for that, as `task` says; stopped: somebody
    wished so; failed and impossible: `problem` says why; unwanted: nobody requested it. Where `kind` is working,
    `problem` keeps it from going on.
    """

    kind: Kind
    task: Task | None = None
    problem: Message | None = None

    @property
    def can_be_made(self) -> bool:
        return self.kind in ("complete", "stopped", "failed", "unwanted")

    @property
    def section_share(self) -> float | None:
        """How much is done of the section at hand (0 to 1); None where none is."""
        stage = None if self.task is None else self.task.current_stage
        return None if stage is None else stage.share


def folder_for(services: Services, run: Run) -> Path:
    """The folder of the report of a run that was loaded for its user."""
    return services.files.path(report_folder(run.id))


async def state_of_report(services: Services, run: Run) -> ReportState:
    """How far the report of the run is."""
    async with services.database.reading() as session:
        task = await tasks.find(session, "report", str(run.id))
    return _state_of(services, run, task)


def _state_of(services: Services, run: Run, task: Task | None) -> ReportState:
    states = planned_sections(folder_for(services, run))
    active = task is not None and task.active
    if not active and states and all(state.state in ("done", "failed") for state in states):
        return ReportState("complete")
    if run.status in ACTIVE:
        return ReportState("impossible", problem=GOES_ON)
    if services.files.existing(weights_key(run.id)) is None:
        return ReportState("impossible", problem=NO_WEIGHTS)
    if is_gone(run):
        return ReportState("impossible", problem=NO_IMAGES)
    if task is None or task.state == "done":
        return ReportState("unwanted")
    if task.state == "failed":
        return ReportState("failed", problem=task.failure)
    return ReportState("stopped") if task.state == "stopped" else ReportState("working", task)


async def request_report(services: Services, run: Run) -> ReportState:
    """Have the report made, or the rest of it."""
    async with services.database.writing() as session:
        task = await runs.request_report(session, run.id)
    return _state_of(services, run, task)


async def look_at_report(services: Services, run: Run) -> ReportState:
    """The state. The report of a finished run is made when somebody looks at it, if nobody stopped that."""
    state = await state_of_report(services, run)
    if state.kind == "unwanted" and run.status == "finished":
        state = await request_report(services, run)
    if state.task is not None:
        return ReportState(state.kind, state.task, await wake_worker_for(services, state.task))
    return state


def view_of(state: ReportState, run: Run, *, some_failed: bool) -> TaskView:
    """What the page says about the report, and the buttons that it offers. `some_failed`: sections that failed."""
    if state.task is not None:
        return _progress(state.task, run, state.problem)
    make = f"/runs/{run.id}/report/make"
    match state.kind:
        case "complete" if some_failed:
            buttons = () if is_gone(run) else (_button(say("Try what failed again"), make),)
            return TaskView(title=say("Complete, except for what failed"), buttons=buttons)
        case "complete":
            return TaskView(title=say("The report is complete"))
        case "stopped":
            notes = (say("What was ready is kept."),)
            buttons = (_button(say("Continue"), make),)
            return TaskView(title=say("The report was stopped"), notes=notes, buttons=buttons)
        case "failed":
            buttons = (_button(say("Try again"), make),)
            return TaskView(title=say("The report could not be made"), bad=True, failure=state.problem, buttons=buttons)
        case "unwanted":
            notes = (say("The run did not finish, but its best weights are kept: they can be reported on."),)
            buttons = (_button(say("Make the report"), make),)
            return TaskView(title=say("There is no report yet"), notes=notes, buttons=buttons)
    later = run.status in ACTIVE
    title = say("There is no report yet") if later else say("There can be no report")
    return TaskView(title=title, notes=() if state.problem is None else (state.problem,))


def _progress(task: Task, run: Run, problem: Message | None) -> TaskView:
    waits = task.state == "queued"
    return progress_view(
        task,
        title=say("The report is in the queue") if waits else say("The report is being made"),
        notes=(say("It starts when the reports before it in the queue are done."),) if waits else (),
        problem=problem,
        buttons=(stop_button(f"/runs/{run.id}/report/stop", task, id="stop-report"),),
    )


def _button(label: Message, address: str) -> TaskButton:
    return TaskButton(label=label, address=address, id="make-report")
