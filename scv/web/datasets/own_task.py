"""The work on a version of a person's own dataset, as the dataset's page and that of its draft show it."""

from scv.db import datasets, tasks
from scv.db.tables import Dataset, DatasetVersion, Task
from scv.message import say
from scv.web.datasets.lookup import failure_of
from scv.web.http.services import Services
from scv.web.tasks.kinds import kind_of
from scv.web.tasks.view import TaskButton, TaskView, progress_view, stop_button, wake_worker_for


def pending_version(dataset: Dataset) -> DatasetVersion | None:
    """The version that is being made; the dataset is loaded with its versions."""
    return next((version for version in dataset.versions if version.status == "making"), None)


async def work_on(services: Services, dataset: Dataset) -> TaskView | None:
    """The work on the version that is being made, or why the last one could not be made; None where neither is."""
    version, path = pending_version(dataset), f"/datasets/own/{dataset.id}"
    name = datasets.resident_name(dataset.id, dataset.last_number)
    async with services.database.reading() as session:
        task = await tasks.find(session, "version", name)
    if version is not None and task is not None and task.active:
        problem = await wake_worker_for(services, task)
        buttons = (stop_button(f"{path}/stop", task),)
        return progress_view(task, problem=problem, buttons=buttons, poll=f"{path}/state")
    if version is None and (failure := failure_of(dataset)) is not None:
        title = say("The last change could not be made.")
        return TaskView(title=title, bad=True, failure=failure, buttons=_again(services, task, path))
    return None


def _again(services: Services, task: Task | None, path: str) -> tuple[TaskButton, ...]:
    if task is None or not kind_of(task).can_try_again(services.files, task):
        return ()
    return (TaskButton(label=say("Try again"), address=f"{path}/again", id="again"),)
