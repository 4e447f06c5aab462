"""What the page of tasks says about each kind of task, and what its buttons do. A new kind is a row here."""

from abc import ABC, abstractmethod
from collections.abc import Collection

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from scv.data.own.changes import Changes
from scv.db import datasets, tasks
from scv.db.tables import Task, User
from scv.files import Files
from scv.jobs.own_datasets import draft_of
from scv.message import Message, say


class KindOnPages(ABC):
    """A kind of task for its user."""

    @abstractmethod
    def title(self, task: Task) -> Message:
        """What the task is, in words."""

    @abstractmethod
    def href(self, task: Task, own_datasets: Collection[int]) -> str | None:
        """The page of the subject; None where there is none any more. `own_datasets` are the ids of the user's."""

    def can_try_again(self, files: Files, task: Task) -> bool:
        """Whether what a task was about that failed or was stopped is still there."""
        return task.state != "done"

    async def stop(self, session: AsyncSession, task: Task) -> None:
        """Have the task end; what is done of it already stays."""
        await tasks.request_stop(session, task)

    async def again(self, session: AsyncSession, user: User, task: Task) -> None:
        """Have a task that ended done once more. Raises `NotFoundError`, `ConflictError`."""
        await tasks.request(
            session, task.kind, task.subject, user_id=user.id, title=task.title, arguments=task.arguments
        )


class _Preparation(KindOnPages):
    def title(self, task: Task) -> Message:
        return say("Prepare {dataset}", dataset=task.title)

    def href(self, task: Task, own_datasets: Collection[int]) -> str | None:
        return f"/datasets/{task.subject}"


class _Version(KindOnPages):
    def title(self, task: Task) -> Message:
        return say("Make a version: {dataset}", dataset=task.title)

    def href(self, task: Task, own_datasets: Collection[int]) -> str | None:
        dataset_id = int(task.subject.split("-")[1])
        return f"/datasets/own/{dataset_id}" if dataset_id in own_datasets else None

    def can_try_again(self, files: Files, task: Task) -> bool:
        if task.state == "done" or task.arguments is None:
            return False
        changes = msgspec.json.decode(task.arguments, type=Changes)
        return not changes.draft or draft_of(files, int(task.subject.split("-")[1])).source is not None

    async def stop(self, session: AsyncSession, task: Task) -> None:
        version = await datasets.version_to_make(session, task.subject)
        if version is not None:
            await datasets.stop_version(session, version)

    async def again(self, session: AsyncSession, user: User, task: Task) -> None:
        await datasets.begin_version_again(session, user, task)


class _Report(KindOnPages):
    def title(self, task: Task) -> Message:
        return say("Report: {model}, run {number}", model=task.title, number=task.subject)

    def href(self, task: Task, own_datasets: Collection[int]) -> str | None:
        return f"/runs/{task.subject}/report"


class _Unknown(KindOnPages):
    """A kind of another version of SCV."""

    def title(self, task: Task) -> Message:
        return say("{kind}: {subject}", kind=task.kind, subject=task.title)

    def href(self, task: Task, own_datasets: Collection[int]) -> str | None:
        return None


NOTHING_TO_TRY = say("The files it needs are not there any more.")

_KINDS: dict[str, KindOnPages] = {"prepare": _Preparation(), "version": _Version(), "report": _Report()}


def kind_of(task: Task) -> KindOnPages:
    """The kind of the task."""
    return _KINDS.get(task.kind, _Unknown())
