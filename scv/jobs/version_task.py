"""A version of a person's own dataset from a worker's side: what it is made of, and what becomes of it in the database.

The database is the record: a version is there once its row says so, and a folder that no row knows is taken away.
"""

import logging
from pathlib import Path

import msgspec

from scv.data.own.changes import Changes
from scv.data.own.summary import read_summary
from scv.data.own.version import Making
from scv.data.resident import ResidentError, open_resident
from scv.data.resident_writer import remove_resident
from scv.db import datasets
from scv.db.engine import Database
from scv.db.tables import DatasetVersion
from scv.files import Files
from scv.jobs.failures import preparation_failure
from scv.jobs.own_datasets import draft_of, options_of
from scv.jobs.subprocesses import run_subprocess
from scv.jobs.version_process import REFUSED
from scv.message import say
from scv.settings import Settings

LOST = say("The work on the pictures ended unexpectedly. The interactive worker's log has the details.")

log = logging.getLogger(__name__)


async def make(settings: Settings, database: Database, name: str, processes: set[int]) -> None:
    """Make the version of this name, if it is still wanted. `processes` holds the ids of those at work."""
    async with database.reading() as session:
        version = await datasets.version_to_make(session, name)
    if version is not None:
        await _make(settings, database, version, processes)
    async with database.reading() as session:
        known = await datasets.has_version(session, name)
    if not known:  # given up, or deleted, perhaps while it was made
        remove_resident(settings.data_dir, name)


async def _make(settings: Settings, database: Database, version: DatasetVersion, processes: set[int]) -> None:
    draft = draft_of(Files(settings.data_dir / "files"), version.dataset_id)
    changes = msgspec.json.decode(version.changes or "{}", type=Changes)
    source = draft.source if changes.draft else None
    how = msgspec.json.encode(_making(version, changes, source))
    status = await run_subprocess(settings, processes, "scv.jobs.version_process", said=how)
    log.info("%s: made with status %s", version.name, status)
    figures = _figures(settings.data_dir, version.name)
    if figures is not None:
        async with database.writing() as session:
            done = await datasets.finish_version(session, version.name, **figures)
        useless = changes.draft
    else:
        why = preparation_failure(settings.data_dir, version.name) or LOST
        # An archive that cannot be taken is not worth keeping. What was collected picture by picture is, and what a
        # process that was lost, or a full disk, says nothing about.
        useless = status == REFUSED and source == draft.zip
        async with database.writing() as session:
            done = await datasets.give_up_version(session, version, why, forget=useless)
    if done and useless:
        draft.discard()


def _making(version: DatasetVersion, changes: Changes, source: Path | None) -> Making:
    previous = version.dataset.newest  # of one dataset only one version is made at a time
    return Making(
        target=version.name,
        previous=None if previous is None else previous.name,
        options=options_of(version.dataset),
        source=None if source is None else str(source),
        renamed=changes.renamed,
        dropped_train=tuple(changes.dropped.get("train", ())),
        dropped_test=tuple(changes.dropped.get("test", ())),
    )


def _figures(data_dir: Path, name: str) -> dict[str, object] | None:
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
