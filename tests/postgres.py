"""A PostgreSQL server for the tests of a session: started when the first of them wants it, ended with the session.

Everything of it lies in a folder of its own below /tmp. It listens on a Unix socket there, where no password is asked
for, and on a free port of 127.0.0.1, with TLS and passwords. As root it runs as an unprivileged user, since PostgreSQL
refuses root.
"""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

import msgspec
import psycopg
import trustme
from filelock import FileLock
from psycopg import sql

from scv.db.migrate import migrate
from scv.settings import Settings

TEMPLATE = "scv_template"
PASSWORD = "p@ss/wörd"

_NUMBERS = count()

_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "400",
    "shared_buffers": "64MB",
    # It holds nothing that anybody wants to keep.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "password_encryption": "scram-sha-256",
    "log_connections": "on",
}


class NoServerError(Exception):
    """There is no PostgreSQL server on this machine; the message says how to get one."""


@dataclass(frozen=True)
class PostgresServer:
    """A running server; `folder` has its socket, and `ca.pem`, the authority that signed its certificate."""

    folder: str
    port: int

    def url(self, database: str) -> str:
        """By the socket, as somebody who may do everything."""
        return f"postgresql://scv@/{database}?host={quote(self.folder)}&port={self.port}"

    def tcp_url(self, database: str, *, password: str = PASSWORD, host: str = "127.0.0.1", options: str = "") -> str:
        """By TCP, with a password, as people do."""
        return f"postgres://scv:{quote(password, safe='')}@{host}:{self.port}/{database}{options}"

    def execute(self, statement: str, *names: str) -> None:
        """Run a statement as the server's owner; each {} in it is a name."""
        with psycopg.connect(host=self.folder, port=self.port, user="scv", dbname="postgres", autocommit=True) as to:
            to.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # type: ignore[arg-type]

    @contextmanager
    def new_database(self, template: str = TEMPLATE) -> Iterator[str]:
        """The name of a new database, a copy of the template; nobody is connected to it afterwards."""
        name = f"scv_{os.getpid()}_{next(_NUMBERS)}"
        self.execute("CREATE DATABASE {} TEMPLATE {}", name, template)
        try:
            yield name
        finally:
            self.execute("DROP DATABASE {} WITH (FORCE)", name)


def shared_server(folder: Path, session_pid: int) -> PostgresServer:
    """The server of a test session, which its workers share: `folder` is the session's. Raises `NoServerError`."""
    with FileLock(folder / "postgres.lock"):
        note = folder / "postgres.json"
        if note.exists():
            return msgspec.json.decode(note.read_bytes(), type=PostgresServer)
        server = _start(session_pid)
        note.write_bytes(msgspec.json.encode(server))
        return server


def programs() -> Path:
    """The folder of PostgreSQL's programs. Raises `NoServerError`."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    here = shutil.which("initdb")
    if not found and here is None:
        raise NoServerError("No PostgreSQL server is installed: apt-get install postgresql, or make tests-ready.")
    return found[-1].parent if found else Path(here or "").resolve().parent


def _start(session_pid: int) -> PostgresServer:
    programs_folder, port, user = programs(), _free_port(), _runs_as()
    folder = Path(tempfile.mkdtemp(prefix="scv-postgres-", dir="/tmp"))
    data = folder / "data"
    _make_certificate(folder)
    (folder / "password").write_text(PASSWORD)
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
    _run(
        folder,
        user,
        *(str(programs_folder / "initdb"), "--pgdata", str(data), "--username", "scv"),
        *("--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile", str(folder / "password")),
        *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
    )
    options = {**_OPTIONS, "port": str(port), "unix_socket_directories": str(folder)}
    options |= {"ssl": "on", "ssl_cert_file": str(folder / "server.pem"), "ssl_key_file": str(folder / "server.key")}
    with (data / "postgresql.auto.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in options.items())
    command = [str(Path(__file__).with_name("postgres_process.py")), str(programs_folder / "postgres"), str(folder)]
    with (folder / "server.log").open("wb") as log:
        os.posix_spawn(  # not by subprocess, which would have it waited for here
            sys.executable,
            [sys.executable, *command, str(user.pw_uid), str(user.pw_gid), str(session_pid)],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, log.fileno(), 1), (os.POSIX_SPAWN_DUP2, log.fileno(), 2)],
            setsid=True,
        )
    server = PostgresServer(str(folder), port)
    _until_it_answers(server)
    server.execute("CREATE DATABASE {}", TEMPLATE)
    asyncio.run(migrate(Settings(database_url=server.url(TEMPLATE))))
    return server


def _until_it_answers(server: PostgresServer) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            server.execute("SELECT 1")
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


def _make_certificate(folder: Path) -> None:
    """For localhost alone: 127.0.0.1 is another name, which `sslmode=verify-full` refuses."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "server.key"))
    (folder / "server.key").chmod(0o600)


def _runs_as() -> pwd.struct_passwd:
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise NoServerError("PostgreSQL refuses root, and there is neither a user postgres nor nobody.")


def _run(folder: Path, user: pwd.struct_passwd, *command: str) -> None:
    other = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, **other)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stderr}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
