"""Processes of our own that run beside this one: started, counted, and ended with it, however it ends."""

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

from scv.jobs.parent_death import end_with_parent
from scv.log import context_for_child
from scv.settings import ROOT, Settings, environment_without_secrets


async def start(module: str, *arguments: str, environment: Mapping[str, str], **options: Any) -> Process:
    """Start `python -m module`; raises `OSError`. `options` are asyncio's.

    `environment` adds to this process's own, of which it inherits no password, unless it is given the database's.
    """
    inherited = environment_without_secrets(database="SCV_DATABASE_URL" in environment)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        cwd=ROOT,
        env={**inherited, **environment},
        preexec_fn=end_with_parent(),
        **options,
    )


@asynccontextmanager
async def running_subprocess(
    settings: Settings,
    processes: set[int],
    module: str,
    *arguments: str,
    secrets: Collection[str] = (),
    **options: Any,
) -> AsyncIterator[Process]:
    """A process that has these settings and lives as long as the block at most; its id is among `processes` then.

    `secrets` are those of `scv.settings.SECRETS` that it needs. The lines of its log bear what is bound here at its
    start.
    """
    environment = {**settings.environment(secrets), **context_for_child()}
    process = await start(module, *arguments, environment=environment, **options)
    processes.add(process.pid)
    try:
        yield process
    finally:
        processes.discard(process.pid)
        if process.returncode is None:
            process.kill()
            await process.wait()
