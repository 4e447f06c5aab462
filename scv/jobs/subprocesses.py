"""Processes of our own that run beside this one: started, counted, and ended with it, however it ends."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from scv.jobs.parent_death import end_with_parent
from scv.log import context_for_child
from scv.settings import ROOT, Settings


async def start(module: str, *arguments: str, environment: Mapping[str, str], **options: Any) -> Process:
    """Start `python -m module`; raises `OSError`. `environment` adds to this process's own, `options` are asyncio's."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        cwd=ROOT,
        env={**os.environ, **environment},
        preexec_fn=end_with_parent(),
        **options,
    )


@asynccontextmanager
async def running_subprocess(
    settings: Settings, processes: set[int], module: str, *arguments: str, **options: Any
) -> AsyncIterator[Process]:
    """A process that has these settings and lives as long as the block at most; its id is among `processes` then.

    The lines of its log bear what is bound here at its start.
    """
    process = await start(module, *arguments, environment={**settings.environment(), **context_for_child()}, **options)
    processes.add(process.pid)
    try:
        yield process
    finally:
        processes.discard(process.pid)
        if process.returncode is None:
            process.kill()
            await process.wait()
