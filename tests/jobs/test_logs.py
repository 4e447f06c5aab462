"""What workers and their processes log about a run or a task bears its id."""

import json
from typing import Any

import pytest

from scv.db.engine import Database
from scv.files import Files, run_folder
from scv.jobs.queue import Queue
from scv.jobs.sandbox import claim
from scv.settings import Settings
from tests.jobs.conftest import (
    StartWorker,
    WorkerProcess,
    add_run,
    request_preparation,
    until,
    until_ended,
    until_task_ended,
)

pytestmark = pytest.mark.engines("sqlite")


def lines(worker: WorkerProcess) -> list[dict[str, Any]]:
    """Each is JSON, whoever wrote it."""
    return [json.loads(line) for line in worker.log.read_text().splitlines()]


async def test_what_is_logged_about_a_run_bears_its_id_in_worker_and_training(
    start_worker: StartWorker, database: Database, queue: Queue, settings: Settings
) -> None:
    """The second run cannot have its folder, so that its training ends by an exception that nothing takes."""
    folder = Files(settings.data_dir / "files").folder(run_folder(2))
    claim(folder)
    first, second = [await add_run(database, epochs=1) for _ in range(2)]
    assert second.id == 2
    worker = await start_worker(log_format="json", attempts=1)
    for run in (first, second):
        await queue.enqueue_training(run.id, 1)
    assert (await until_ended(database, first)).status == "finished"
    assert (await until_ended(database, second)).failure_code == "child_died"
    written = lines(worker)
    begun = {line["run"]: line["child"] for line in written if line["event"] == "a training begins"}
    assert set(begun) == {1, 2}
    (uncaught,) = (line for line in written if line["event"] == "uncaught exception")
    assert (uncaught["process"], uncaught["pid"], uncaught["run"], uncaught["attempt"]) == ("training", begun[2], 2, 1)
    assert "FolderInUseError" in uncaught["exception"]
    (lost,) = (line for line in written if line["event"] == "a training process was lost")
    assert (lost["process"], lost["run"], lost["child"]) == ("train worker", 2, begun[2])
    others = [line for line in written if line["logger"].startswith("arq") or line["logger"] == "asyncio"]
    assert others
    assert all("run" not in line for line in others)


async def test_what_is_logged_about_a_task_bears_its_id_in_worker_and_process(
    start_worker: StartWorker, database: Database, settings: Settings
) -> None:
    """The dataset's lock is a folder, so that it cannot be prepared."""
    (settings.data_dir / "datasets" / ".digits.lock").mkdir(parents=True)
    task = await request_preparation(database, "digits")
    worker = await start_worker(queue="interactive", log_format="json")
    assert (await until_task_ended(database, "prepare", "digits")).state == "failed"

    async def has_ended() -> bool:
        return any(line["event"] == "a task ends" for line in lines(worker))

    await until(has_ended)
    about = [line for line in lines(worker) if "task" in line]
    assert {line["task"] for line in about} == {task.id}
    assert {line["process"] for line in about} == {"interactive worker", "prepare_process"}
    (failed,) = (line for line in about if line["process"] == "prepare_process")
    assert "IsADirectoryError" in failed["exception"]
