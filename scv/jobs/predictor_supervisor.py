"""The predictor as its worker sees it: started with it, started again when it dies, ended with it."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from typing import NoReturn

import structlog

from scv.jobs.subprocesses import running_subprocess
from scv.settings import Settings

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_STEADY_SECONDS = 5.0
"""The pause before it is started again doubles each time, until it has lived for so long."""

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


async def keep_predictor(settings: Settings, processes: set[int]) -> NoReturn:
    """Have a predictor running until cancelled; its process id is then among `processes`."""
    clock = asyncio.get_running_loop().time
    pause = _SHORTEST_PAUSE
    while True:
        begun = clock()
        try:
            # Its standard input is closed with this process, however that ends.
            async with running_subprocess(
                settings, processes, "scv.jobs.predictor", secrets=["redis_url"], stdin=PIPE, stdout=DEVNULL
            ) as process:
                status = await process.wait()
        except OSError:
            log.exception("the predictor cannot be started now and is tried again")
            pause = min(2 * pause, _LONGEST_PAUSE)
            await asyncio.sleep(pause)
            continue
        log.warning("the predictor ended and is started again", child=process.pid, status=status)
        pause = _SHORTEST_PAUSE if clock() - begun > _STEADY_SECONDS else min(2 * pause, _LONGEST_PAUSE)
        await asyncio.sleep(pause)
