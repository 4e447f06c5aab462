"""Making a version of a person's own dataset, from a worker's side. The subject is the version's name.

The database is the record: a version is there once its row says so, and a folder that no row knows is removed.
"""

from pathlib import Path

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from scv.data.own.changes import Changes
from scv.data.own.draft import Draft
from scv.data.own.summary import read_summary
from scv.data.own.version import VersionPlan
from scv.data.resident import ResidentError, open_resident
from scv.data.resident_writer import remove_resident
from scv.db import datasets
from scv.db.engine import Database
from scv.db.tables import DatasetVersion, Task
from scv.files import Files
from scv.jobs.own_datasets import draft_of, options_of
from scv.jobs.task_kind import TaskKind
from scv.jobs.task_protocol import Ending, TaskDone, TaskFailed, TaskStopped
from scv.message import say
from scv.settings import Settings


class VersionTask(TaskKind):
    """Imports what a draft holds, or changes the version before; of a version that fails nothing stays."""

    name = "version"
    process = "scv.jobs.version_process"
    at_once = 2
    lost = say(
        "The work on the images was cut off again and again, most likely for lack of memory. Free some memory, then "
        "try again. The interactive worker's log has the details."
    )

    async def argument(self, settings: Settings, database: Database, task: Task) -> str | None:
        async with database.reading() as session:
            version = await datasets.version_to_make(session, task.subject)
        if version is None:  # made, given up or deleted
            return None
        return msgspec.json.encode(_plan(settings, task, version)).decode()

    async def record(self, settings: Settings, session: AsyncSession, task: Task, ending: Ending) -> Ending:
        version = await datasets.version_to_make(session, task.subject)
        if version is None:  # given up or deleted meanwhile
            return TaskStopped()
        if isinstance(ending, TaskDone):
            columns = _columns(settings.data_dir, version.name)
            if columns is not None:
                finished = await datasets.finish_version(session, version.name, **columns)
                return ending if finished else TaskStopped()
            ending = TaskFailed(self.lost)
        why = ending.message if isinstance(ending, TaskFailed) else say("It was stopped.")
        forget = _has_useless_archive(settings, task, ending)
        given_up = await datasets.give_up_version(session, version, why, forget=forget)
        return ending if given_up else TaskStopped()

    async def clear(self, settings: Settings, database: Database, task: Task, ending: Ending | None) -> None:
        async with database.reading() as session:
            if not await datasets.has_version(session, task.subject):
                remove_resident(settings.data_dir, task.subject)
        used = isinstance(ending, TaskDone) and _changes(task).draft
        if used or _has_useless_archive(settings, task, ending):
            _draft_of(settings, task).discard()


def _draft_of(settings: Settings, task: Task) -> Draft:
    return draft_of(Files(settings.data_dir / "files"), int(task.subject.split("-")[1]))


def _changes(task: Task) -> Changes:
    return msgspec.json.decode(task.arguments or "{}", type=Changes)


def _has_useless_archive(settings: Settings, task: Task, ending: Ending | None) -> bool:
    """Whether the version was to be made of an archive that cannot be used.

    What was collected image by image is kept, and so is an archive of which a lost process, or a full disk, says
    nothing.
    """
    draft = _draft_of(settings, task)
    refused = isinstance(ending, TaskFailed) and ending.refused
    return refused and _changes(task).draft and draft.source == draft.zip


def _plan(settings: Settings, task: Task, version: DatasetVersion) -> VersionPlan:
    source = _draft_of(settings, task).source
    changes = _changes(task)
    previous = version.dataset.newest  # of one dataset only one version is made at a time
    return VersionPlan(
        target=version.name,
        previous=None if previous is None else previous.name,
        options=options_of(version.dataset),
        source=str(source) if changes.draft and source is not None else None,
        renamed=changes.renamed,
        dropped_train=tuple(changes.dropped.get("train", ())),
        dropped_test=tuple(changes.dropped.get("test", ())),
    )


def _columns(data_dir: Path, name: str) -> dict[str, object] | None:
    """The columns of a version that was made; None where there is none."""
    folder = data_dir / "datasets" / name
    try:
        resident, summary = open_resident(data_dir, name), read_summary(folder)
    except (ResidentError, OSError, msgspec.DecodeError):
        return None
    return {
        "class_names": list(resident.class_names),
        "train": summary.train,
        "validation": summary.validation,
        "test": summary.test,
        "hash": resident.hash,
        "bytes": sum(path.stat().st_size for path in folder.iterdir()),
        "summary": msgspec.json.encode(summary).decode(),
    }
