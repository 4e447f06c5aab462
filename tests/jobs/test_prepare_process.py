"""An official dataset is prepared with its progress told, and why it failed is said so that it helps."""

from pathlib import Path

import pytest

from scv.data.official.catalogue import find
from scv.data.resident import is_prepared
from scv.jobs.prepare_process import prepare_with_progress, work
from scv.jobs.task_process import ProgressSender, TaskFailedError, TaskStoppedError
from scv.jobs.task_protocol import TaskProgress
from tests.data.official.originals import svhn
from tests.data.official.test_download import Mirror

pytestmark = pytest.mark.engines("sqlite")


def heard(sent: list[TaskProgress], *, stop_after: int = 1000) -> ProgressSender:
    return ProgressSender(sent.append, lambda: len(sent) >= stop_after)


def test_a_download_tells_its_stages_and_leaves_only_the_dataset(tmp_path: Path) -> None:
    small, mirror = svhn(), Mirror(tmp_path / "mirror")
    mirror.offer(small)
    data_dir = tmp_path / "data"
    sent: list[TaskProgress] = []
    try:
        prepare_with_progress(data_dir, small.info, heard(sent), mirror.url)
    finally:
        mirror.close()
    assert is_prepared(data_dir, small.info.name)
    left = sorted(path.name for path in (data_dir / "datasets").iterdir())
    assert left == [f".{small.info.name}.lock", small.info.name]
    stages = list(dict.fromkeys(str(progress.stage.message).partition(" ")[0] for progress in sent))
    assert stages == ["Preparing", "Downloading", "Unpacking", "Converting"]
    loading = [progress for progress in sent if progress.stage.total]
    assert loading[-1].fraction == 1
    assert {progress.stage.unit for progress in loading} == {"bytes"}


def test_without_internet_the_reason_says_what_can_be_done(tmp_path: Path) -> None:
    with pytest.raises(TaskFailedError, match=f"into {tmp_path / 'SVHN'}"):
        prepare_with_progress(tmp_path, find("svhn"), heard([]), "http://127.0.0.1:9")


def test_one_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TaskStoppedError):
        prepare_with_progress(tmp_path, find("svhn"), heard([], stop_after=0), "http://127.0.0.1:9")
    with pytest.raises(TaskStoppedError):
        prepare_with_progress(tmp_path, find("svhn"), heard([], stop_after=1), "http://127.0.0.1:9")
    assert [path.name for path in (tmp_path / "datasets").iterdir()] == [".svhn.lock"]


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / ".digits.lock").mkdir()
    with pytest.raises(TaskFailedError, match="could not be prepared: Is a directory"):
        prepare_with_progress(tmp_path, find("digits"), heard([]))


def test_a_dataset_that_there_is_not_is_refused() -> None:
    with pytest.raises(TaskFailedError, match="no such dataset"):
        work('"nothing"', heard([]))
