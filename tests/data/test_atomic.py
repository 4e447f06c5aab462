import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from scv.data.atomic import flush_files, write_atomically

WRITE = """
import sys, pathlib, itertools
from scv.data.atomic import write_atomically
path = pathlib.Path(sys.argv[1])
for number in itertools.count():
    write_atomically(path, bytes([number % 251]) * 2_000_000, durable=False)
    if number == 1:
        print(flush=True)
"""

OVERFLOW = """
import sys, pathlib, resource, signal
from scv.data.atomic import write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_atomically(pathlib.Path(sys.argv[1]), bytes(5000))
"""


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_takes_the_place_of_the_one_before(durable: bool, tmp_path: Path) -> None:
    path = tmp_path / "x"
    for content in (b"one", b"two"):
        write_atomically(path, content, durable=durable)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_it_is_as_readable_as_other_files(tmp_path: Path) -> None:
    write_atomically(tmp_path / "x", b"1")
    (tmp_path / "y").write_bytes(b"1")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "xy"]
    assert modes[0] == modes[1]


def test_a_disk_that_is_full_leaves_the_file_before_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_atomically(path, b"before")
    ended = subprocess.run([sys.executable, "-c", OVERFLOW, str(path)], capture_output=True, text=True, check=False)
    assert "OSError" in ended.stderr
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"before"


def test_who_reads_while_it_is_written_and_its_writer_is_killed_sees_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", WRITE, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            for reads in range(40):
                content = path.read_bytes()
                assert (len(content), len(set(content))) == (2_000_000, 1), reads
            writer.send_signal(signal.SIGKILL)
        assert len(set(path.read_bytes())) == 1
        assert path.stat().st_size == 2_000_000


def test_a_durable_file_is_on_the_disk_before_it_takes_its_name_and_its_name_after_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen, fsync = tmp_path / "x", [], os.fsync

    def spy(descriptor: int) -> None:
        fsync(descriptor)
        status = os.fstat(descriptor)
        seen.append(
            (stat.S_ISDIR(status.st_mode), 0 if stat.S_ISDIR(status.st_mode) else status.st_size, path.exists())
        )

    monkeypatch.setattr(os, "fsync", spy)
    write_atomically(path, b"soon anew", durable=False)
    assert seen == []
    path.unlink()
    write_atomically(path, b"12345")
    assert seen == [(False, 5, False), (True, 0, True)]


def test_all_files_of_a_folder_are_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(b"1")
    seen, fsync = set(), os.fsync

    def spy(descriptor: int) -> None:
        fsync(descriptor)
        seen.add(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", spy)
    flush_files(tmp_path)
    assert seen == {path.stat().st_ino for path in tmp_path.iterdir()}
