"""Files that earlier versions of SCV kept the state of work in, which the table `tasks` holds now."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from scv.db import runs, tasks
from scv.db.base import now
from scv.db.engine import Database
from scv.db.tables import TaskState
from scv.errors import NotFoundError
from scv.jobs.report_task import ReportTask
from scv.message import Message

_PATTERNS = (
    "datasets/*.progress.json",
    "datasets/*.stop",
    "datasets/*.failed.json",
    "datasets/.*.progress.json-*",
    "datasets/.*.failed.json-*",
    "files/runs/*/report/underway.json",
    "files/runs/*/report/stopped",
    "files/runs/*/report/failure.json",
)

_STATES: dict[str, TaskState] = {"underway.json": "queued", "stopped": "stopped", "failure.json": "failed"}
"""What a file in a report's folder says of the work on it. The first that is there counts."""


async def replace_obsolete_files(data_dir: Path, database: Database) -> None:
    """Remove them from a data folder.

    The reports that they tell of get tasks: one that was being made goes on, one that was stopped or failed stays so
    until its user wants it. What they say of datasets is in the database already, or is requested again by a button.
    """
    for run_id, state, message in _reports(data_dir):
        async with database.writing() as session:
            if await tasks.find(session, "report", str(run_id)) is not None:  # somebody has requested it since
                continue
            with suppress(NotFoundError):
                task = await runs.request_report(session, run_id)
                if state != "queued":
                    task.state, task.message, task.ended_at = state, message, now()
    _remove(data_dir)


def _remove(data_dir: Path) -> None:
    for pattern in _PATTERNS:
        for path in data_dir.glob(pattern):
            with suppress(OSError):
                path.unlink()


def _reports(data_dir: Path) -> Iterator[tuple[int, TaskState, str | None]]:
    """Runs with such files: the id, the state of the work on the report, and as JSON why it failed."""
    for folder in sorted(data_dir.glob("files/runs/*/report")):
        found = next((name for name in _STATES if (folder / name).exists()), None)
        if found is not None and folder.parent.name.isdecimal():
            message = _read_message(folder / found) if found == "failure.json" else None
            yield int(folder.parent.name), _STATES[found], message


def _read_message(path: Path) -> str:
    """The JSON of the message in the file; of another one where it cannot be read."""
    try:
        message = msgspec.json.decode(path.read_bytes(), type=Message)
    except (OSError, msgspec.DecodeError):
        message = ReportTask.lost
    return msgspec.json.encode(message).decode()
