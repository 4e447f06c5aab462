"""A real fork server: what it forks, how that ends, and what is left when either side is killed."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from scv.db.engine import Database
from scv.jobs.fork_server_supervisor import FORKS, listening_socket, start_fork_server
from scv.jobs.queue import Queue
from scv.jobs.subprocesses import Subprocess, running_subprocess, start_to_work
from scv.settings import ROOT, Settings
from tests.jobs.conftest import StartWorker, add_run, is_alive, until, until_ended
from tests.jobs.serving import processes

pytestmark = [
    pytest.mark.engines("sqlite"),
    pytest.mark.skipif(not FORKS, reason="torch does not survive a fork on this system"),
]

SHOWN = "tests.jobs.shown_process"


@pytest.fixture
async def own() -> AsyncIterator[tuple[socket.socket, Process]]:
    """The socket of a fork server that may be killed, and the server."""
    with listening_socket() as listening:
        server = await start_fork_server(listening)
        yield listening, server
        if server.returncode is None:
            server.kill()
        await server.wait()


async def gone(pid: int) -> None:
    async def is_gone() -> bool:
        return not is_alive(pid)

    await until(is_gone, 15)


async def ended(process: Subprocess) -> int:
    process.kill()
    status = await process.wait()
    process.close()
    return status


async def test_a_forked_process_is_like_one_that_was_started(fork_server: str, tmp_path: Path) -> None:
    """Its environment, arguments, folder, modules, threads, signals and streams."""
    shown = []
    for server in (fork_server, ""):
        process = await start_to_work(server, SHOWN, {"SCV_DATA_DIR": str(tmp_path)})
        process.writer.write(b"from its parent\n")
        shown.append((await process.reader.read()).decode().splitlines())
        assert await process.wait() == 3
        process.close()
    forked, started = ({key: value for key, _, value in (line.partition("=") for line in lines)} for lines in shown)
    assert forked.pop("torch") == "True"
    assert started.pop("torch") == "False"
    assert forked == started
    assert forked["stdin"] == "from its parent"
    assert forked["cwd"] == str(ROOT)


async def test_it_ends_with_the_block_and_its_title_names_it(fork_server: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, fork_server=fork_server).resolved()
    known: set[int] = set()
    async with running_subprocess(settings, known, "scv.jobs.train_process") as process:
        assert known == {process.pid}

        async def has_its_title() -> bool:
            return list(processes(settings, ["scv.jobs.train_process"])) == [("scv.jobs.train_process", process.pid)]

        await until(has_its_title, 15)
    assert process.returncode == -signal.SIGKILL
    assert known == set()
    await gone(process.pid)


async def test_what_nobody_waits_for_any_more_is_killed(fork_server: str, tmp_path: Path) -> None:
    """Somebody who asks for a process, and is killed."""
    code = (
        "import asyncio, sys; from scv.jobs.subprocesses import start_to_work\n"
        "async def main():\n"
        "    process = await start_to_work(sys.argv[1], 'scv.jobs.train_process', {})\n"
        "    print(process.pid, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    asker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, fork_server, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert asker.stdout is not None
    pid = int(await asker.stdout.readline())
    assert is_alive(pid)
    asker.kill()
    await asker.wait()
    await gone(pid)


async def test_its_end_ends_its_processes_and_who_asks_meanwhile_waits(own: tuple[socket.socket, Process]) -> None:
    listening, server = own
    address = listening.getsockname()
    first = await start_to_work(address, "scv.jobs.train_process", {})
    server.kill()
    await server.wait()
    assert await first.wait() == -signal.SIGKILL
    await gone(first.pid)
    first.close()
    asked = asyncio.create_task(start_to_work(address, "scv.jobs.train_process", {}))
    await asyncio.sleep(0.3)
    assert not asked.done()
    again = await start_fork_server(listening)
    assert await ended(await asked) == -signal.SIGKILL
    again.kill()
    await again.wait()


@pytest.mark.parametrize("said", [b"", b"{}\n", b"nonsense\n", b'{"module": "os", "environment": {}}\n'])
async def test_nonsense_is_refused_and_forks_nothing(fork_server: str, said: bytes) -> None:
    """The last has no standard streams with it."""
    reader, writer = await asyncio.open_unix_connection(fork_server)
    writer.write(said)
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    process = await start_to_work(fork_server, "scv.jobs.train_process", {})
    assert await ended(process) == -signal.SIGKILL


async def test_a_worker_keeps_its_lease_while_it_waits_for_a_process(
    start_worker: StartWorker, database: Database, queue: Queue, settings: Settings
) -> None:
    """Its fork server has torch to import yet, for longer than a lease lasts."""
    run = await add_run(database, epochs=1)
    await start_worker(fork_server="", lease_seconds=1, attempts=1)
    await queue.enqueue_training(run.id, 1)
    assert (await until_ended(database, run)).status == "finished"


async def test_a_worker_that_is_killed_takes_its_fork_server_along(
    start_worker: StartWorker, settings: Settings
) -> None:
    names = {"scv.jobs.fork_server", "scv.jobs.train_process"}
    worker = await start_worker(fork_server="")

    async def both_are_there() -> bool:
        return {name for name, _ in processes(settings, names)} == names

    await until(both_are_there)
    there = [pid for _, pid in processes(settings, names)]
    await worker.kill()
    for pid in there:
        await gone(pid)
    assert os.getpid() not in there
