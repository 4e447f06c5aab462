"""`scv serve` as a person starts it: real processes, a real port, real signals."""

import asyncio
import os
import re
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from scv.settings import Settings
from tests.jobs.conftest import until
from tests.jobs.serving import (
    PROGRAMS,
    end,
    end_by_itself,
    first_line,
    free_port,
    programs,
    start,
    until_all_run,
    until_it_answers,
    until_nothing_runs,
)

pytestmark = pytest.mark.engines("sqlite")


@pytest.fixture
def fresh(tmp_path: Path, engine: str, database_url: str) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        port=free_port(),
        reports="opened",
        database_url=database_url if engine == "postgresql" else "",
    )


HURRIED = """
import sys
import scv.supervisor
from scv.__main__ import main
scv.supervisor.LOOK_SECONDS, scv.supervisor.HANGS_SECONDS = 0.2, 1.5
sys.exit(main(["serve"]))
"""
"""`scv serve` with less patience for its broker than is usual."""


@pytest.fixture
async def served(fresh: Settings, request: pytest.FixtureRequest) -> AsyncIterator[Process]:
    process = await start(fresh, *getattr(request, "param", ()))
    yield process
    await end(process)
    await until_nothing_runs(fresh)


@pytest.mark.engines("sqlite", "postgresql")
async def test_one_line_says_where_it_runs_what_dies_comes_again_and_control_c_ends_all(
    fresh: Settings, served: Process
) -> None:
    line = await first_line(served)
    assert re.fullmatch(
        rf"SCV is running at (http://127\.0\.0\.1:{fresh.port}) - sign in once with \1/sign-in\?token=\S+\n", line
    )
    assert (fresh.data_dir / "secret.key").stat().st_mode & 0o077 == 0
    before = await until_all_run(fresh)
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    async def all_are_new() -> bool:
        now = programs(fresh)
        return set(now) == PROGRAMS and not set(now.values()) & set(before.values())

    await until(all_are_new)
    await until_it_answers(fresh)
    out, err = await end(served)
    assert out == []
    assert {line.split(" ended")[0] for line in err} == {
        "SCV: the web process",
        "SCV: the training worker",
        "SCV: the interactive worker",
        "SCV: the broker",
        "SCV: the fork server",
    }
    assert served.returncode == 0
    await until_nothing_runs(fresh)


async def test_what_cannot_be_started_again_is_tried_until_it_can(fresh: Settings, served: Process) -> None:
    await first_line(served)
    before = await until_all_run(fresh)
    logs = fresh.data_dir / "logs"
    logs.rename(fresh.data_dir / "moved")
    logs.write_text("in the way")
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(1)
    assert served.returncode is None
    logs.unlink()
    await until_all_run(fresh)
    await until_it_answers(fresh)
    _, err = await end(served)
    assert served.returncode == 0
    assert any("the broker cannot be started now" in line for line in err)
    assert any("the web process cannot be started now" in line for line in err)


@pytest.mark.parametrize("served", [("-c", HURRIED)], indirect=True)
async def test_a_broker_that_hangs_is_started_again(fresh: Settings, served: Process) -> None:
    await first_line(served)
    before = await until_all_run(fresh)
    os.kill(before["broker"], signal.SIGSTOP)

    async def is_another() -> bool:
        return programs(fresh).get("broker", before["broker"]) != before["broker"]

    await until(is_another)
    await until_all_run(fresh)
    _, err = await end(served)
    assert any("the broker did not answer" in line for line in err)


async def test_it_ends_with_status_1_when_its_own_work_breaks(fresh: Settings) -> None:
    """Nothing would be started again any more, so it must not look as if all were well."""
    broken = "import scv.supervisor as s, sys\n" + (
        "async def breaks(broker):\n    raise ValueError('broken on purpose')\n"
        "s._keep_broker = breaks\n"
        "from scv.__main__ import main\nsys.exit(main(['serve']))\n"
    )
    process = await start(fresh, "-c", broken)
    _, err = await end_by_itself(process)
    assert process.returncode == 1
    assert any("broken on purpose" in line for line in err)
    await until_nothing_runs(fresh)


async def test_a_second_start_is_refused_in_one_line_and_nothing_outlives_a_supervisor_that_is_killed(
    fresh: Settings, served: Process
) -> None:
    await first_line(served)
    await until_all_run(fresh)
    second = await start(fresh)
    out, err = await end_by_itself(second)
    assert second.returncode == 1
    assert out == []
    (line,) = err
    assert str(fresh.data_dir) in line
    assert "running" in line
    assert served.returncode is None

    served.kill()
    await served.wait()
    await until_nothing_runs(fresh)


async def test_a_busy_port_is_said_in_one_line(fresh: Settings) -> None:
    with socket.create_server(("127.0.0.1", fresh.port)):
        process = await start(fresh)
        out, err = await end_by_itself(process)
    assert process.returncode == 1
    assert out == []
    (line,) = err
    assert str(fresh.port) in line
    assert "SCV_PORT" in line


async def test_a_folder_that_cannot_be_made_is_said_in_one_line(fresh: Settings) -> None:
    fresh.data_dir.write_text("a file")
    process = await start(fresh)
    out, err = await end_by_itself(process)
    assert process.returncode == 1
    assert out == []
    assert len(err) == 1
