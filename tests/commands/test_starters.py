"""`scv starters`: what is listed can be shown, and what is shown can be checked."""

import json
from pathlib import Path

import pytest

from scv.__main__ import main
from scv.blocks.starters import STARTERS


def test_the_list_names_every_starter_with_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["starters", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(STARTERS)
    for row in rows:
        assert set(row) == {"name", "title", "summary", "exercise", "measured"}
        assert [score["dataset"] for score in row["measured"]] == ["digits", "mnist"]
        assert set(row["measured"][0]) == {"dataset", "epochs", "seed", "test_accuracy", "parameters"}


def test_for_a_dataset_it_says_how_large_each_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["starters", "list", "--json", "--dataset", "mnist"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["lenet"]["parameters"] == 61_706
    assert [name for name, row in rows.items() if not row["ok"]] == ["broken"]
    assert main(["starters", "list", "--dataset", "mnist"]) == 0
    text = capsys.readouterr().out
    assert "61,706 parameters" in text
    assert "on mnist" in text
    assert "on digits" not in text


@pytest.mark.parametrize("name", STARTERS)
def test_what_is_shown_is_a_document_that_check_takes(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["starters", "show", name, "--dataset", "digits"]) == 0
    path = tmp_path / "starter.json"
    path.write_text(capsys.readouterr().out)
    assert main(["check", str(path), "--dataset", "digits", "--json"]) == (1 if STARTERS[name].exercise else 0)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["starters", "show", "skynet", "--dataset", "mnist"], "lenet"),
        (["starters", "show", "lenet", "--dataset", "imagenet"], "digits, mnist"),
        (["starters", "list", "--dataset", "imagenet"], "digits, mnist"),
    ],
)
def test_an_unknown_name_is_misuse_and_the_known_ones_are_named(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert named in output.err
    assert output.err.count("\n") == 1
