"""Commands where something around them is not as it should be: one line and a status, never a traceback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from scv.__main__ import main
from scv.commands import train
from scv.errors import RefusedError
from scv.settings import Settings
from scv.training.progress import Stopped

SCV = [sys.executable, "-m", "scv"]


def run(command: list[str] | str, data_dir: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SCV_DATA_DIR": str(data_dir), **changes}
    shell = isinstance(command, str)
    return subprocess.run(
        command, shell=shell, env=environment, capture_output=True, text=True, check=False, timeout=100
    )


def assert_one_line(done: subprocess.CompletedProcess[str], status: int) -> None:
    assert (done.returncode, done.stderr.count("\n")) == (status, 1), done.stderr
    assert done.stderr.startswith("scv: ")


@pytest.mark.parametrize("where", [">&-", ">/dev/full"])
def test_output_that_cannot_be_written_is_said(tmp_path: Path, where: str) -> None:
    assert_one_line(run(f"{sys.executable} -m scv datasets list {where}", tmp_path), 1)


def test_a_terminal_of_another_alphabet_is_no_problem(tmp_path: Path) -> None:
    done = run([*SCV, "datasets", "list"], tmp_path, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", [["serve"], ["web"], ["worker"], ["signin-link"]])
def test_a_data_folder_that_is_a_file_is_said(tmp_path: Path, command: list[str]) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert_one_line(run([*SCV, *command], file), 1)


def test_logs_in_the_way_are_said(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("")
    assert_one_line(run([*SCV, "serve"], tmp_path), 1)


@pytest.mark.parametrize("command", ["serve", "web"])
def test_a_busy_port_is_said(tmp_path: Path, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run([*SCV, command], tmp_path, SCV_PORT=str(taken.getsockname()[1]))
    assert_one_line(done, 1)
    assert "SCV_PORT" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SCV_PORT", "0"),
        ("SCV_PORT", "65536"),
        ("SCV_LEASE_SECONDS", "nan"),
        ("SCV_LEASE_SECONDS", "inf"),
        ("SCV_ATTEMPTS", "0"),
        ("SCV_SESSION_DAYS", "999999999999"),
        ("SCV_SIGNIN_LINK_MINUTES", "-1"),
    ],
)
def test_a_setting_out_of_range_is_named(variable: str, value: str) -> None:
    with pytest.raises(RefusedError, match=variable):
        Settings.from_environment({variable: value})


def test_a_datasets_folder_that_is_a_file_is_misuse(tmp_path: Path) -> None:
    document = tmp_path / "net.json"
    document.write_text('{"format": 1, "blocks": []}')
    (tmp_path / "datasets").write_text("")
    assert_one_line(run([*SCV, "train", str(document), "--dataset", "digits"], tmp_path), 2)


def test_control_c_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "train", interrupted)
    assert main(["train", "net.json", "--dataset", "digits"]) == 130
    assert capsys.readouterr().err == "scv: stopped\n"


def test_a_training_that_is_stopped_before_its_first_epoch_claims_no_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "net.json"
    document.write_text('{"format": 1, "blocks": [{"id": "f", "type": "Flatten"}]}')
    monkeypatch.setattr("scv.ml.train.train.train", lambda *_, **__: Stopped(epochs=0))
    assert main(["train", str(document), "--dataset", "digits", "--data-dir", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "scv: stopped\n"
    assert list((tmp_path / "trained").iterdir()) == []
