"""A run that is given too little - disk, memory, time - ends clearly, with its reason in one sentence."""

import asyncio
import json
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scv.data.official import digits
from scv.data.resident_writer import write_resident
from scv.db.engine import Database
from scv.db.tables import Run
from scv.files import Files, run_folder, weights_key
from scv.jobs.queue import Queue
from scv.jobs.train_process import DISK_FULL
from scv.jobs.train_processes import Spare
from scv.jobs.train_task import Trainer
from scv.settings import ROOT, Settings
from tests.jobs.conftest import LONG, SMALL_NETWORK, add_run, epochs_of, load, until_epoch
from tests.jobs.test_train_task import WatchedSpare

pytestmark = pytest.mark.engines("sqlite")

LARGE_NETWORK = json.dumps(
    {
        "format": 1,
        "blocks": [
            {"id": "f1", "type": "Flatten"},
            {"id": "l1", "type": "Linear", "params": {"out_features": 60000}},
            {"id": "l2", "type": "Linear", "params": {"out_features": 1000}},
            {"id": "l3", "type": "Linear", "params": {"out_features": 10}},
        ],
    }
)
"""64 million weights, 256 MB, and four times that with gradients and Adam's state."""


@pytest.fixture
async def spare(fork_server: str) -> AsyncIterator[Spare]:
    spare = WatchedSpare(fork_server)
    yield spare
    await spare.close()


async def trained(settings: Settings, database: Database, queue: Queue, spare: Spare, run: Run) -> Run:
    async with asyncio.timeout(120):
        await Trainer(settings, database, queue, spare).train_all()
    return await load(database, run)


@pytest.fixture
def tiny_disk(settings: Settings) -> Iterator[Path]:
    """The files' folder as a file system of 64 kB, where this machine lets us mount one."""
    folder = settings.data_dir / "files"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here; the limit on a file's size stands in for it")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_full_disk_ends_the_run_with_its_reason(
    settings: Settings, database: Database, queue: Queue, spare: Spare, tiny_disk: Path
) -> None:
    document = SMALL_NETWORK.replace('"out_features": 10', '"out_features": 400', 1).replace(
        "]}", ', {"id": "l2", "type": "Linear", "params": {"out_features": 10}}]}'
    )
    run = await add_run(database, document=document)
    failed = await trained(settings, database, queue, spare, run)
    assert (failed.status, failed.failure_code, failed.failure) == ("failed", "disk_full", DISK_FULL)
    assert failed.attempt == 1
    assert [path.name for path in (tiny_disk / run_folder(run.id)).iterdir()] == []


def test_a_file_that_may_not_grow_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    """RLIMIT_FSIZE in the child itself: the same error as on a full disk, on every machine."""
    task = {
        "type": "train",
        "run_id": 1,
        "attempt": 1,
        "document": SMALL_NETWORK,
        "settings": '{"epochs": 2}',
        "dataset": "digits",
        "data_dir": str(tmp_path),
        "folder": str(tmp_path / "run"),
        "device": "cpu",
        "lease_seconds": 60,
        "checkpoint_seconds": 30,
        "memory_mb": 0,
    }
    write_resident(tmp_path, "digits", digits.read())  # before there is a limit: it is larger than a checkpoint

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    with subprocess.Popen(
        [sys.executable, "-m", "scv.jobs.train_process"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=limit,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(task).encode() + b"\n")
        child.stdin.flush()
        last = json.loads(child.stdout.read().splitlines()[-1])
    assert child.returncode == 0
    assert (last["type"], last.get("code")) == ("failed", "disk_full")


async def test_a_run_that_needs_more_memory_than_it_may_use_says_so(
    settings: Settings, database: Database, queue: Queue, spare: Spare
) -> None:
    run = await add_run(database, document=LARGE_NETWORK)
    failed = await trained(replace(settings, memory_mb=700), database, queue, spare, run)
    assert (failed.status, failed.failure_code) == ("failed", "out_of_memory")
    assert "700 MB" in str(failed.failure)
    assert failed.attempt == 1


async def test_a_run_within_its_memory_trains_as_ever(
    settings: Settings, database: Database, queue: Queue, spare: Spare
) -> None:
    run = await add_run(database, epochs=1)
    done = await trained(replace(settings, memory_mb=1500), database, queue, spare, run)
    assert done.status == "finished"


async def has_been_trained(database: Database, run: Run, seconds: float) -> None:
    async with database.writing() as session:
        (await session.get_one(Run, run.id)).trained_seconds = seconds


async def test_a_run_that_has_had_its_time_ends_with_its_weights(
    settings: Settings, database: Database, queue: Queue, spare: Spare
) -> None:
    run = await add_run(database, **LONG)
    settings = replace(settings, run_minutes=60)
    work = asyncio.create_task(trained(settings, database, queue, spare, run))
    await until_epoch(database, run, 2)
    assert 0 < (await load(database, run)).trained_seconds < 60
    await has_been_trained(database, run, 3600)
    failed = await work
    assert (failed.status, failed.failure_code) == ("failed", "time_limit")
    assert f"60 minutes here, and that was enough for {len(await epochs_of(database, run))} epochs" in str(
        failed.failure
    )
    assert failed.weights == weights_key(run.id)
    folder = Files(settings.data_dir / "files").path(run_folder(run.id))
    assert [path.name for path in folder.iterdir()] == ["weights.safetensors"]


async def test_time_that_is_too_short_for_an_epoch_says_so(
    settings: Settings, database: Database, queue: Queue, spare: Spare
) -> None:
    run = await add_run(database, **LONG)
    await has_been_trained(database, run, 3600)
    failed = await trained(replace(settings, run_minutes=60), database, queue, spare, run)
    assert (failed.status, failed.failure_code, failed.weights) == ("failed", "time_limit", None)
    assert "not enough for one epoch" in str(failed.failure)
