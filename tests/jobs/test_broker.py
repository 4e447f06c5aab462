import os
import signal
import stat
from pathlib import Path

import pytest

from scv.errors import RefusedError
from scv.jobs.broker import Broker, is_embedded
from scv.jobs.queue import Queue
from scv.settings import Settings

pytestmark = pytest.mark.engines("sqlite")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_only_its_user_can_reach_it(broker: Broker, data_dir: Path) -> None:
    assert mode(data_dir / "broker") == 0o700
    assert mode(broker.socket.parent) == 0o700
    assert mode(broker.socket) == 0o700
    assert stat.S_ISSOCK(broker.socket.stat().st_mode)


async def test_what_it_was_told_survives_a_restart(broker: Broker, queue: Queue) -> None:
    await queue.enqueue_training(1, 1)
    await broker.stop()
    await broker.start()
    assert not await queue.enqueue_training(1, 1)


async def test_a_data_folder_with_a_long_or_odd_name_is_fine(tmp_path: Path) -> None:
    for name in ("long " * 30, "100% ?#"):
        folder = tmp_path / name
        folder.mkdir()
        async with Broker(folder, tmp_path / "broker.log") as broker:
            queue = Queue.open(Settings(data_dir=folder, redis_url=broker.url).resolved())
            assert await queue.enqueue_training(1, 1)
            await queue.close()
        assert not broker.socket.exists()


async def test_a_broker_that_cannot_start_says_so_in_one_line(tmp_path: Path) -> None:
    files = tmp_path / "broker" / "appendonlydir"
    files.mkdir(parents=True)
    (files / "appendonly.aof.manifest").write_text("not a manifest\n")
    with pytest.raises(RefusedError, match=r"broker\.log") as refused:
        await Broker(tmp_path, tmp_path / "broker.log").start()
    assert "\n" not in str(refused.value)


async def test_one_that_hangs_does_not_answer_and_can_be_killed(broker: Broker, queue: Queue) -> None:
    assert await broker.answers_within(10)
    os.kill(int((await queue.redis.info("server"))["process_id"]), signal.SIGSTOP)
    assert not await broker.answers_within(0.3)
    await broker.kill()
    await broker.start()
    assert await broker.answers_within(10)


def test_it_is_embedded_unless_another_one_is_named(tmp_path: Path) -> None:
    assert is_embedded(Settings(data_dir=tmp_path).resolved())
    assert not is_embedded(Settings(data_dir=tmp_path, redis_url="redis://elsewhere:6379").resolved())
