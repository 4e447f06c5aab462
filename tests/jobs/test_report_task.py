"""One report at a time: those that wait for it come into the queue after it, however it ends."""

import asyncio

import pytest

from scv.files import Files, report_folder
from scv.jobs.broker import Broker
from scv.jobs.queue import Queue
from scv.jobs.report_state import ask_for_report
from scv.jobs.report_task import Reporter
from scv.settings import Settings

pytestmark = pytest.mark.engines("sqlite")


async def begun(reporter: Reporter, settings: Settings, processes: set[int]) -> asyncio.Task[None]:
    """The making of run 1's report, while that of run 2 waits. There is no such run, so it ends by itself."""
    ask_for_report(Files(settings.data_dir / "files").path(report_folder(1)))
    making = asyncio.create_task(reporter.make(1))
    while not processes:  # noqa: ASYNC110 - another process is waited for
        await asyncio.sleep(0.01)
    await reporter.make(2)
    return making


async def test_what_waits_for_a_report_that_is_cut_off_comes_into_the_queue(settings: Settings, queue: Queue) -> None:
    processes: set[int] = set()
    making = await begun(Reporter(settings, queue, processes), settings, processes)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert not processes
    assert not await queue.enqueue_report(2), "it is there already"


async def test_what_waits_while_the_broker_is_away_is_not_forgotten(
    settings: Settings, queue: Queue, broker: Broker
) -> None:
    processes: set[int] = set()
    reporter = Reporter(settings, queue, processes)
    await broker.stop()
    await (await begun(reporter, settings, processes))
    await broker.start()
    await reporter.make(3)
    assert not await queue.enqueue_report(2), "it came with the next one"
