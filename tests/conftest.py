"""What holds for all tests."""

import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from scv.jobs.fork_server_supervisor import FORKS, listening_socket
from scv.jobs.parent_death import end_with_parent
from scv.log import configure_log
from scv.settings import ROOT
from tests.postgres import TEMPLATE, NoServerError, PostgresServer, shared_server

# As `scv` itself does, and before torch is loaded: its waiting threads must not spin on cores that tests share.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


from tests.shared import share_in

pytest_plugins = ["tests.processor_time"]


def log_plainly() -> None:
    """Log to standard error, with tracebacks as Python writes them: those of structlog's default take a second each."""
    structlog.reset_defaults()
    processors = [*structlog.get_config()["processors"][:-1]]
    processors.append(structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback))
    structlog.configure(processors=processors)


log_plainly()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines that were logged since the last call, as a process of SCV writes them where JSON is wanted."""
    written = io.StringIO()
    root = logging.getLogger()
    handlers, level, hooks = root.handlers, root.level, (sys.excepthook, threading.excepthook)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", written)
        configure_log("json", "test")

    def read() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in written.getvalue().splitlines()]
        written.seek(0)
        written.truncate()
        return [line for line in lines if line["logger"] != "httpx"]  # the client is no part of SCV

    yield read
    logging.captureWarnings(False)
    log_plainly()
    root.handlers, root.level = handlers, level
    sys.excepthook, threading.excepthook = hooks


ENGINES = ("sqlite", "postgresql")
"""The databases that SCV works with."""

_ON_BOTH = ("db", "jobs")
"""Folders whose tests run on both, unless a test or its module is marked otherwise."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what uses `database_url` once for each engine, which its name then shows."""
    if "engine" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("engines")
    folder = metafunc.definition.path.relative_to(Path(__file__).parent).parts[0]
    both = folder in _ON_BOTH and (marker is None or os.environ.get("TEST_ENGINES") == "all")
    engines = ENGINES if both else marker.args if marker else ENGINES[:1]
    metafunc.parametrize("engine", engines, indirect=True)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """The kind of database that the test uses."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def fork_server() -> Iterator[str]:
    """The address of a fork server that the tests of this process share; empty where this system has none."""
    if not FORKS:
        yield ""
        return
    with listening_socket() as listening:
        server = subprocess.Popen(
            [sys.executable, "-m", "scv.jobs.fork_server", str(listening.fileno())],
            cwd=ROOT,
            pass_fds=[listening.fileno()],
            stdin=subprocess.DEVNULL,
            preexec_fn=end_with_parent(),
        )
        try:
            yield listening.getsockname()
        finally:
            server.kill()
            server.wait()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> PostgresServer:
    """The PostgreSQL server of this test session. Where none can be had a test is skipped; where CI is set it fails."""
    alone = worker_id == "master"
    folder = tmp_path_factory.getbasetemp()
    try:
        return shared_server(folder if alone else folder.parent, os.getpid() if alone else os.getppid())
    except NoServerError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture
def database_url(request: pytest.FixtureRequest, engine: str, tmp_path: Path) -> Iterator[str]:
    """`SCV_DATABASE_URL` of a new database that has all tables, on each engine in turn.

    What is about the database or about several processes at it runs on both engines: tests/db and tests/jobs. Tests
    that train or kill for long are marked `engines("sqlite")` where another of the same kind runs on both;
    TEST_ENGINES=all runs them on both as well, for nights. Elsewhere SQLite is enough; a file of pages that write is
    marked `engines("sqlite", "postgresql")`.
    """
    with _new_database(request, engine, tmp_path, TEMPLATE) as url:
        yield url


@pytest.fixture
def empty_database_url(request: pytest.FixtureRequest, engine: str, tmp_path: Path) -> Iterator[str]:
    """The same of a database without any table; of SQLite not even the file's folder is there."""
    with _new_database(request, engine, tmp_path / "new folder 100%", "template0") as url:
        yield url


@contextmanager
def _new_database(request: pytest.FixtureRequest, engine: str, folder: Path, template: str) -> Iterator[str]:
    if engine == "sqlite":
        yield f"sqlite:///{folder / 'scv.sqlite3'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.new_database(template) as name:
        yield server.url(name)


@pytest.fixture(scope="session", autouse=True)
def _share(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Under xdist each worker has a folder of its own within that of the test run."""
    base = tmp_path_factory.getbasetemp()
    share_in((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared")
