"""`scv serve` as a person starts it: real processes, a real port, real signals."""

import asyncio
import os
import re
import signal
import socket
import sys
import urllib.request
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from scv.settings import ROOT, Settings
from tests.jobs.conftest import is_alive, until

PROGRAMS = {"broker", "web", "train", "interactive", "scv.jobs.child"}
"""The broker, and the others by the last word of their command line."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def start(settings: Settings) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "scv", "serve"),
        cwd=ROOT,
        env={**os.environ, **settings.environment(), "SCV_REDIS_URL": "", "SCV_DATABASE_URL": ""},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )


async def end(process: Process) -> tuple[list[str], list[str]]:
    """Press Ctrl-C; what was still to be read from stdout and stderr."""
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
    return await end_by_itself(process)


async def end_by_itself(process: Process) -> tuple[list[str], list[str]]:
    """Wait for the end; what was still to be read from stdout and stderr."""
    out, err = await process.communicate()
    return out.decode().splitlines(), err.decode().splitlines()


def programs(settings: Settings) -> dict[str, int]:
    """The processes of this installation, but not the supervisor."""
    found: dict[str, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            program = (folder / "cmdline").read_text().rstrip("\0").split("\0")[-1]
            if (folder / "cwd").readlink() == settings.data_dir / "broker":
                program = "broker"  # which overwrites its environment and its command line
            elif f"SCV_DATA_DIR={settings.data_dir}".encode() not in environment:
                continue
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if program in PROGRAMS and is_alive(int(folder.name)):
            found[program] = int(folder.name)
    return found


async def until_all_run(settings: Settings) -> dict[str, int]:
    async def all_run() -> bool:
        return set(programs(settings)) == PROGRAMS

    await until(all_run)
    return programs(settings)


async def until_nothing_runs(settings: Settings) -> None:
    async def nothing_runs() -> bool:
        return not programs(settings)

    await until(nothing_runs, 15)


async def until_it_answers(settings: Settings) -> None:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{settings.port}/health", timeout=10) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    async def healthy() -> bool:
        return await asyncio.to_thread(answers)

    await until(healthy)


async def first_line(process: Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode()


@pytest.fixture
def fresh(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", port=free_port())


@pytest.fixture
async def served(fresh: Settings) -> AsyncIterator[Process]:
    process = await start(fresh)
    yield process
    await end(process)
    await until_nothing_runs(fresh)


async def test_one_line_says_where_it_runs_and_control_c_ends_everything(fresh: Settings, served: Process) -> None:
    line = await first_line(served)
    assert re.fullmatch(
        rf"SCV is running at (http://127\.0\.0\.1:{fresh.port}) - sign in once with \1/sign-in\?token=\S+\n", line
    )
    await until_all_run(fresh)
    assert await end(served) == ([], [])
    assert served.returncode == 0
    await until_nothing_runs(fresh)
    assert (fresh.data_dir / "secret.key").stat().st_mode & 0o077 == 0


async def test_what_dies_is_started_again(fresh: Settings, served: Process) -> None:
    await first_line(served)
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
    assert {line.split(" ended")[0] for line in err} >= {
        "SCV: the web process",
        "SCV: the training worker",
        "SCV: the interactive worker",
        "SCV: the broker",
    }


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


async def test_nothing_outlives_a_supervisor_that_is_killed(fresh: Settings, served: Process) -> None:
    await first_line(served)
    await until_all_run(fresh)
    served.kill()
    await served.wait()
    await until_nothing_runs(fresh)


async def test_a_second_start_on_the_same_folder_says_so_in_one_line(fresh: Settings, served: Process) -> None:
    await first_line(served)
    second = await start(fresh)
    out, err = await end_by_itself(second)
    assert second.returncode == 1
    assert out == []
    (line,) = err
    assert str(fresh.data_dir) in line
    assert "running" in line
    assert served.returncode is None


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
