"""Weights as an argument: a path, or the number of a run."""

from argparse import ArgumentParser
from pathlib import Path

import pytest

from scv.commands.failure import MisuseError
from scv.commands.weights_option import add_weights, data_dir_of, weights_of
from scv.settings import Settings


def test_a_number_is_a_run_of_the_data_folder(tmp_path: Path) -> None:
    path = tmp_path / "files" / "runs" / "12" / "weights.safetensors"
    path.parent.mkdir(parents=True)
    path.touch()

    assert weights_of("12", tmp_path) == path
    assert weights_of("012", tmp_path) == path


def test_anything_else_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine").touch()
    Path("12").touch()

    assert weights_of("mine", tmp_path) == Path("mine")
    assert weights_of("./12", tmp_path) == Path("12")


@pytest.mark.parametrize("text", ["13", "9" * 18, "9" * 5000, "١٢", "-1", "../mine", "", "a\0b"])
def test_what_is_not_there_is_said(text: str, tmp_path: Path) -> None:
    with pytest.raises(MisuseError):
        weights_of(text, tmp_path)


def test_the_data_folder_is_the_one_given_or_that_of_the_settings(tmp_path: Path) -> None:
    parser = ArgumentParser()
    add_weights(parser)

    assert data_dir_of(parser.parse_args(["7", "--data-dir", str(tmp_path)])) == tmp_path.resolve()
    assert data_dir_of(parser.parse_args(["7"])) == Settings.from_environment().data_dir
