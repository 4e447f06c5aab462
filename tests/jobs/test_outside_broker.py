"""A broker that somebody else looks after: a real Redis or Valkey server with TLS, a password and users of its own."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from redis.asyncio import Redis

from scv.db.engine import Database
from scv.errors import RefusedError
from scv.jobs.broker_url import connection_pool, describe_broker, refuse_absent_broker
from scv.jobs.queue import Queue
from scv.settings import ROOT, Settings
from tests.jobs.conftest import StartWorker, add_run, until_ended
from tests.jobs.serving import free_port, run_command

PASSWORD = "p@ss/w:rd?#"
USER_PASSWORD = "another one"

pytestmark = pytest.mark.engines("sqlite")


class Outside:
    """The server; `ca` is the authority that signed its certificate, which holds for localhost alone."""

    def __init__(self, port: int, ca: Path) -> None:
        self.port = port
        self.ca = ca

    def url(
        self, user: str = "", password: str = PASSWORD, host: str = "localhost", scheme: str = "rediss", ca: bool = True
    ) -> str:
        options = f"?ssl_ca_certs={quote(str(self.ca), safe='')}" if ca else ""
        return f"{scheme}://{user}:{quote(password, safe='')}@{host}:{self.port}/3{options}"


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[Outside]:
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        message = "No Redis or Valkey server with TLS is installed: apt-get install redis-server, or make tests-ready."
        if os.environ.get("CI"):
            raise RuntimeError(message)
        pytest.skip(message)
    folder, port, authority = tmp_path / "outside", free_port(), trustme.CA()
    folder.mkdir()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "server.key"))
    (folder / "server.conf").write_text(
        f"port 0\nbind 127.0.0.1\ntls-port {port}\ntls-cert-file server.pem\ntls-key-file server.key\n"
        f"tls-ca-cert-file ca.pem\ntls-auth-clients no\nsave ''\n"
        f'requirepass "{PASSWORD}"\nuser scv on ">{USER_PASSWORD}" ~* &* +@all -@admin\n'
        f"user guest on >guest ~* &* -@all\n"
    )
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(program, "server.conf", cwd=folder, stdout=log, stderr=log)
    server = Outside(port, folder / "ca.pem")
    try:
        async with asyncio.timeout(60):
            while True:
                assert process.returncode is None, (folder / "log").read_text()
                with suppress(RefusedError):
                    await refuse_absent_broker(Settings(redis_url=server.url()))
                    break
                await asyncio.sleep(0.05)
        yield server
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize(("user", "password"), [("", PASSWORD), ("default", PASSWORD), ("scv", USER_PASSWORD)])
async def test_work_is_handed_on_with_tls_and_a_password(outside: Outside, user: str, password: str) -> None:
    queue = Queue.open(Settings(redis_url=outside.url(user, password)))
    assert await queue.enqueue_training(1, 1)
    assert not await queue.enqueue_training(1, 1)
    assert queue.redis.connection_pool.connection_kwargs["db"] == 3
    await queue.close()


async def test_a_run_is_trained_by_a_worker_at_that_broker(
    outside: Outside, settings: Settings, database: Database, start_worker: StartWorker
) -> None:
    run = await add_run(database)
    await start_worker(redis_url=outside.url("scv", USER_PASSWORD))
    assert (await until_ended(database, run)).status == "finished"


async def test_what_is_refused_is_said_in_one_line_that_holds_no_password(outside: Outside, tmp_path: Path) -> None:
    reasons = {
        outside.url(password="wr0ng"): "WRONGPASS|invalid username-password",
        outside.url("guest", "guest"): "permissions|NOPERM",
        outside.url(ca=False): "certificate verify failed",
        outside.url(host="127.0.0.1"): "certificate verify failed.*IP address mismatch",
        outside.url(scheme="redis", ca=False): "onnection",
        outside.url().replace(str(outside.port), str(free_port())): "Connect call failed",
        outside.url().replace("ca.pem", "nothing.pem"): "No such file",
    }
    for url, reason in reasons.items():
        with pytest.raises(RefusedError, match=f"The broker cannot be used .*({reason})") as refused:
            await refuse_absent_broker(Settings(redis_url=url))
        assert "\n" not in str(refused.value)
        for password in (PASSWORD, "p@ss", "wr0ng", quote(PASSWORD, safe="")):
            assert password not in str(refused.value)
    for command in ("serve", "worker"):
        settings = Settings(data_dir=tmp_path / "data", port=free_port(), redis_url=outside.url(password="wr0ng"))
        status, lines = await asyncio.to_thread(run_command, settings, command)
        assert status == 1
        (line,) = lines
        assert line.startswith("scv: The broker cannot be used")
        assert "wr0ng" not in line


@pytest.mark.parametrize(
    "url",
    ["redis://:se/cret@host", "redis://:se#cret@host", "http://host", "redis://", "redis://host:x", "redis://h/name",
     "rediss://host?ssl_cert_reqs=secret", "redis://host:0x1", "redis://host?secret=1"],
)  # fmt: skip
def test_an_address_that_cannot_be_read_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(RefusedError, match=r"SCV_REDIS_URL cannot be read.*rediss://user:password") as refused:
        connection_pool(url)
    for word in ("cret", "name", "http"):
        assert word not in str(refused.value)


def test_the_certificate_must_be_that_of_the_host_unless_the_address_says_otherwise() -> None:
    def checks(url: str) -> object:
        return connection_pool(url).connection_kwargs.get("ssl_check_hostname")

    assert checks("rediss://host") is True
    assert checks("valkeys://host") is True
    assert checks("rediss://host?ssl_check_hostname=no") is False
    assert checks("rediss://host?ssl_cert_reqs=none") is None


def test_it_is_described_without_its_password() -> None:
    assert describe_broker(Settings(redis_url="rediss://ada:secret@example.org:6380/2")) == "example.org:6380, with TLS"
    assert describe_broker(Settings(redis_url="redis://:se/cret@example.org")) == ""
    assert describe_broker(Settings().resolved()) == "embedded, started by scv serve"


async def test_the_embedded_broker_has_no_tls_and_needs_none(settings: Settings) -> None:
    client = Redis(connection_pool=connection_pool(settings.redis_url))
    assert await client.ping()
    await client.aclose(close_connection_pool=True)


def test_processes_that_connect_to_nothing_inherit_no_password() -> None:
    """What every child of a worker prints of its environment."""
    secret = {
        "SCV_REDIS_URL": "redis://:hidden@h",
        "SCV_DATABASE_URL": "postgres://a:hidden@h/d",
        "PGPASSWORD": "hidden",
    }
    code = (
        "import asyncio; from scv.jobs.subprocesses import running_subprocess\n"
        "from scv.settings import Settings\n"
        "async def main():\n"
        "    for secrets in ([], ['redis_url'], ['database_url']):\n"
        "        async with running_subprocess(Settings.from_environment(), set(), 'tests.jobs.shown_environment',\n"
        "                                      secrets=secrets) as child:\n"
        "            print((await child.reader.read()).decode().strip())\n"
        "asyncio.run(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **secret}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["", "SCV_REDIS_URL", "PGPASSWORD SCV_DATABASE_URL"]


def test_settings_show_no_password() -> None:
    settings = Settings(redis_url="redis://:hidden@h", database_url="postgres://a:hidden@h/d")
    assert "hidden" not in repr(settings)
