"""Whether a dataset can be trained on, as the pages say it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from scv.data.official.catalogue import DATASETS, DatasetInfo
from scv.data.resident import is_prepared
from scv.db import tasks
from scv.db.tables import Task, User
from scv.message import Message, mark, say
from scv.web.http.services import Services
from scv.web.tasks.view import STOPPED, TaskButton, TaskView, progress_view, stop_button, wake_worker_for

Kind = Literal["ready", "working", "failed", "missing", "unprepared"]

LICENCES = {
    "unstated": mark("not stated by its authors"),
    "non-commercial": mark("for non-commercial use only"),
    "public domain": mark("public domain"),
}
"""What licences without a name are called; all others are called by their names."""

WORDS = frozenset(
    (
        mark("airplane"),
        mark("automobile"),
        mark("bird"),
        mark("cat"),
        mark("deer"),
        mark("dog"),
        mark("frog"),
        mark("horse"),
        mark("ship"),
        mark("truck"),
        mark("T-shirt/top"),
        mark("Trouser"),
        mark("Pullover"),
        mark("Dress"),
        mark("Coat"),
        mark("Sandal"),
        mark("Shirt"),
        mark("Sneaker"),
        mark("Bag"),
        mark("Ankle boot"),
    )
)
"""The names of classes that are words, and so are translated where they are shown."""


@dataclass(frozen=True)
class DatasetState:
    """Whether a dataset can be opened.

    `kind` is ready: it can be opened; working: it is being prepared, as `task` shows; failed: `failure` says why;
    missing: it has to be downloaded first; unprepared: its files are here and only have to be converted. `task` shows
    the last try where that failed as well. `stopped` says that somebody stopped the preparation.
    """

    dataset: DatasetInfo
    kind: Kind
    failure: Message | None = None
    task: TaskView | None = None
    stopped: bool = False

    @property
    def licence(self) -> str:
        return LICENCES.get(self.dataset.licence, self.dataset.licence)

    @property
    def obstacle(self) -> Message | None:
        """Why nobody is preparing it although somebody wanted it."""
        return self.failure or (STOPPED if self.stopped else None)


async def states_of(services: Services, datasets: Iterable[DatasetInfo]) -> tuple[DatasetState, ...]:
    """The states of several datasets."""
    found = tuple(datasets)
    async with services.database.reading() as session:
        known = await tasks.find_all(session, "prepare", [dataset.name for dataset in found])
    return tuple(_state_of(services.settings.data_dir, dataset, known.get(dataset.name)) for dataset in found)


async def state_of(services: Services, dataset: DatasetInfo) -> DatasetState:
    """The state of one dataset."""
    return (await states_of(services, [dataset]))[0]


async def obstacle_of(session: AsyncSession, data_dir: Path, dataset: DatasetInfo) -> Message | None:
    """Why nobody is preparing an official dataset although somebody wanted it; nothing is begun."""
    if is_prepared(data_dir, dataset.name):
        return None
    return _state_of(data_dir, dataset, await tasks.find(session, "prepare", dataset.name)).obstacle


async def request_preparation(services: Services, user: User, dataset: DatasetInfo) -> Task:
    """Have an official dataset prepared."""
    async with services.database.writing() as session:
        return await tasks.request(session, "prepare", dataset.name, user_id=user.id, title=dataset.title)


async def look_at(services: Services, user: User, dataset: DatasetInfo, *, download: bool = False) -> DatasetState:
    """The state of an official dataset. What needs no download is prepared from now on.

    With `download` that which needs one is as well, unless somebody stopped it.
    """
    data_dir = services.settings.data_dir
    if is_prepared(data_dir, dataset.name):
        return DatasetState(dataset, "ready")
    async with services.database.reading() as session:
        task = await tasks.find(session, "prepare", dataset.name)
    state = _state_of(data_dir, dataset, task)
    if state.kind == "unprepared" or (download and state.kind == "missing" and not state.stopped):
        task = await request_preparation(services, user, dataset)
        state = _state_of(data_dir, dataset, task)
    if task is None or state.task is None or state.kind != "working":
        return state
    problem = await wake_worker_for(services, task)
    return replace(state, task=replace(state.task, problem=problem))


def _state_of(data_dir: Path, dataset: DatasetInfo, task: Task | None) -> DatasetState:
    if is_prepared(data_dir, dataset.name):
        return DatasetState(dataset, "ready")
    if task is not None and task.state == "failed":
        return DatasetState(dataset, "failed", failure=task.failure, task=_failed_view(dataset, task))
    if task is not None and task.active:
        return DatasetState(dataset, "working", task=_view(data_dir, dataset, task))
    if dataset.name not in DATASETS:  # somebody's own, whose files are gone
        return DatasetState(dataset, "failed", failure=say("Its files are not on the server's disk any more."))
    stopped = task is not None and task.state == "stopped"
    return DatasetState(dataset, "unprepared" if dataset.is_at_hand(data_dir) else "missing", stopped=stopped)


def _view(data_dir: Path, dataset: DatasetInfo, task: Task) -> TaskView:
    """A conversion takes a moment; only a download is worth stopping."""
    path = f"/datasets/{dataset.name}"
    buttons = (stop_button(f"{path}/stop", task),) if dataset.missing(data_dir) else ()
    return progress_view(task, buttons=buttons, poll=f"{path}/state")


def _failed_view(dataset: DatasetInfo, task: Task) -> TaskView:
    again = TaskButton(label=say("Try again"), address=f"/datasets/{dataset.name}/samples", id="fetch")
    return TaskView(title=say("The last try failed"), bad=True, failure=task.failure, buttons=(again,))
