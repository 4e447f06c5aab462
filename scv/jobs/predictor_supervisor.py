"""The predictor as its worker sees it: started with it, started again when it dies, ended with it."""

from typing import NoReturn

from scv.jobs.subprocesses import keep_running, running_subprocess
from scv.settings import Settings


async def keep_predictor(settings: Settings, processes: set[int]) -> NoReturn:
    """Have a predictor running until cancelled; its process id is then among `processes`."""

    async def run() -> int:
        # Its standard input is closed with this process, however that ends.
        async with running_subprocess(settings, processes, "scv.jobs.predictor", secrets=["redis_url"]) as process:
            return await process.wait()

    await keep_running("predictor", run)
