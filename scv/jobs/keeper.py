"""The predictor as its worker sees it: started with it, started again when it dies, ended with it."""

import asyncio
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from typing import NoReturn

from scv.jobs.lifeline import end_with_parent
from scv.settings import ROOT, Settings

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_STEADY_SECONDS = 5.0
"""The pause before it is started again doubles each time, until it has lived for so long."""

log = logging.getLogger(__name__)


async def keep_predictor(settings: Settings, processes: set[int]) -> NoReturn:
    """Have a predictor running until cancelled; its process id is then among `processes`."""
    clock = asyncio.get_running_loop().time
    pause = _SHORTEST_PAUSE
    while True:
        begun = clock()
        try:
            process = await _start(settings)
        except OSError:
            log.exception("the predictor cannot be started now and is tried again")
            pause = min(2 * pause, _LONGEST_PAUSE)
            await asyncio.sleep(pause)
            continue
        processes.add(process.pid)
        try:
            status = await process.wait()
        finally:
            processes.discard(process.pid)
            if process.returncode is None:
                process.kill()
                await process.wait()
        log.warning("the predictor %s ended with status %s and is started again", process.pid, status)
        pause = _SHORTEST_PAUSE if clock() - begun > _STEADY_SECONDS else min(2 * pause, _LONGEST_PAUSE)
        await asyncio.sleep(pause)


async def _start(settings: Settings) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "scv.jobs.predictor",
        stdin=PIPE,  # closed with this process, however that ends
        stdout=DEVNULL,
        cwd=ROOT,
        env={**os.environ, **settings.environment()},
        preexec_fn=end_with_parent(),
    )
