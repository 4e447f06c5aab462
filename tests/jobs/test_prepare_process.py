"""A dataset is prepared in a process of its own, and its pages know how far that is and why it failed."""

import time
from pathlib import Path

import pytest

from scv.data.official.catalogue import find
from scv.data.resident import is_prepared
from scv.jobs.failures import keep_preparation_failure, preparation_failure
from scv.jobs.prepare_process import prepare_and_tell
from scv.jobs.prepare_state import (
    WAITING,
    StoppedError,
    Teller,
    Underway,
    ask_for,
    ask_to_stop,
    forget_progress,
    underway,
)
from scv.message import say
from scv.stage import Stage
from tests.data.official.originals import svhn
from tests.data.official.test_download import Mirror

pytestmark = pytest.mark.engines("sqlite")

LOADING = say("Downloading {dataset}", dataset="SVHN")


def test_what_is_told_can_be_read_until_it_has_ended(tmp_path: Path) -> None:
    assert underway(tmp_path, "svhn") is None
    ask_for(tmp_path, "svhn")
    assert underway(tmp_path, "svhn").stage == WAITING  # type: ignore[union-attr]
    on_progress = Teller(tmp_path, "svhn")
    on_progress(Stage(LOADING, 10, 40))
    said = underway(tmp_path, "svhn")
    assert said is not None
    assert (said.stage.done, said.stage.share) == (10, 0.25)
    on_progress(Stage(LOADING, 40, 40))
    assert underway(tmp_path, "svhn").stage.share == 1  # type: ignore[union-attr]
    forget_progress(tmp_path, "svhn")
    assert list((tmp_path / "datasets").iterdir()) == []


def test_the_time_left_follows_from_the_pace() -> None:
    assert Underway(Stage(LOADING, 10, 40), 100, 105).seconds_left == 15
    assert Underway(Stage(LOADING, 40, 40), 100, 105).seconds_left == 0
    assert Underway(Stage(LOADING, 0, 40), 100, 105).seconds_left is None
    assert Underway(Stage(LOADING), 100, 105).seconds_left is None


def test_a_stage_is_not_written_at_every_byte(tmp_path: Path) -> None:
    on_progress = Teller(tmp_path, "svhn")
    on_progress(Stage(LOADING, 0, 10**9))
    began = time.monotonic()
    for done in range(1, 300):
        on_progress(Stage(LOADING, done, 10**9))
    said = underway(tmp_path, "svhn")
    assert said is not None
    assert said.stage.done == 0 or time.monotonic() - began > 0.25


def test_whoever_is_asked_to_stop_hears_it_at_the_next_word(tmp_path: Path) -> None:
    on_progress = Teller(tmp_path, "svhn")
    ask_to_stop(tmp_path, "svhn")  # nothing is under way: there is nothing to stop
    on_progress(Stage(LOADING, 1, 4))
    ask_to_stop(tmp_path, "svhn")
    assert underway(tmp_path, "svhn") is None
    with pytest.raises(StoppedError):
        on_progress(Stage(LOADING, 2, 4))
    ask_for(tmp_path, "svhn")
    on_progress(Stage(LOADING, 3, 4))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]"])
def test_a_torn_file_tells_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "svhn.progress.json").write_bytes(content)
    assert underway(tmp_path, "svhn") is None


def test_a_download_is_a_job_that_leaves_only_the_dataset(tmp_path: Path) -> None:
    small, mirror = svhn(), Mirror(tmp_path / "mirror")
    mirror.offer(small)
    data_dir = tmp_path / "data"
    keep_preparation_failure(data_dir, small.info.name, say("The disk is full."))
    ask_for(data_dir, small.info.name)
    try:
        assert prepare_and_tell(data_dir, small.info, mirror.url) == 0
    finally:
        mirror.close()
    assert is_prepared(data_dir, small.info.name)
    assert preparation_failure(data_dir, small.info.name) is None
    left = sorted(path.name for path in (data_dir / "datasets").iterdir())
    assert left == [f".{small.info.name}.lock", small.info.name]


def test_without_internet_the_reason_is_kept(tmp_path: Path) -> None:
    assert prepare_and_tell(tmp_path, find("svhn"), "http://127.0.0.1:9") == 1
    assert f"into {tmp_path / 'SVHN'}" in str(preparation_failure(tmp_path, "svhn"))
    assert underway(tmp_path, "svhn") is None


def test_one_that_was_stopped_has_not_failed(tmp_path: Path) -> None:
    ask_for(tmp_path, "svhn")
    ask_to_stop(tmp_path, "svhn")
    assert prepare_and_tell(tmp_path, find("svhn"), "http://127.0.0.1:9") == 0
    assert preparation_failure(tmp_path, "svhn") is None
    assert list((tmp_path / "datasets").iterdir()) == []
