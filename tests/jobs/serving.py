"""A real `scv serve`, and the processes that belong to it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Collection, Iterator
from pathlib import Path

from scv.settings import ROOT, Settings
from tests.jobs.conftest import is_alive, until

PROGRAMS = {
    "broker",
    "web",
    "train",
    "interactive",
    "scv.jobs.fork_server",
    "scv.jobs.train_process",
    "scv.jobs.predictor",
}
"""The broker, and the others by their module or the last word of their command line."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def start(settings: Settings, *program: str) -> Process:
    """`scv serve`, or another program of Python's that starts it."""
    outside = settings.database_url if settings.database_url.startswith("postgresql") else ""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *(program or ("-m", "scv", "serve")),
        cwd=ROOT,
        env={**os.environ, **settings.environment(), "SCV_REDIS_URL": "", "SCV_DATABASE_URL": outside},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )


def run_command(settings: Settings, *arguments: str) -> tuple[int, list[str]]:
    """Run `scv` to its end: its exit status, and the lines that it wrote to stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "scv", *arguments],
        cwd=ROOT,
        env={**os.environ, **settings.environment()},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stderr.splitlines()


async def end(process: Process) -> tuple[list[str], list[str]]:
    """Press Ctrl-C; what was still to be read from stdout and stderr."""
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
    return await end_by_itself(process)


async def end_by_itself(process: Process) -> tuple[list[str], list[str]]:
    """Wait for the end; what was still to be read from stdout and stderr."""
    out, err = await process.communicate()
    return out.decode().splitlines(), err.decode().splitlines()


def processes(settings: Settings, names: Collection[str] = PROGRAMS) -> Iterator[tuple[str, int]]:
    """The processes of this installation that have these names, but not the supervisor."""
    folder_name = str(settings.data_dir)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            words = (folder / "cmdline").read_text().replace("\0", " ").split()
            program = next((word for word in words if word.startswith("scv.jobs.")), words[-1] if words else "")
            if (folder / "cwd").readlink() == settings.data_dir / "broker":
                program = "broker"  # which overwrites its environment and its command line
            # What was forked has its data folder in its title, and no environment to read.
            elif folder_name not in words and f"SCV_DATA_DIR={folder_name}".encode() not in environment:
                continue
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if program in names and is_alive(int(folder.name)):
            yield program, int(folder.name)


def programs(settings: Settings) -> dict[str, int]:
    """One process of each name."""
    return dict(processes(settings))


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
