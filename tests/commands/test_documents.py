"""`scv check` and `scv code`, as a person and as a script see them."""

import json
import sys
from pathlib import Path
from subprocess import run

import pytest

from scv.__main__ import main

LENET = {
    "format": 1,
    "blocks": [
        {"id": "c1", "type": "Conv2d", "params": {"out_channels": 6, "kernel_size": 5, "padding": 2}},
        {"id": "r1", "type": "ReLU"},
        {"id": "p1", "type": "MaxPool2d"},
        {"id": "f", "type": "Flatten"},
        {"id": "l1", "type": "Linear", "params": {"out_features": 10}},
    ],
}


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "lenet.json"
    path.write_text(json.dumps(LENET))
    return path


def test_check_prints_the_json_that_is_promised(document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(document), "--dataset", "mnist", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result) == {"ok", "parameters", "multiply_adds", "blocks", "problems"}
    assert result["ok"] is True
    assert result["parameters"] == 156 + 1176 * 10 + 10
    assert set(result["blocks"][0]) == {
        "id",
        "type",
        "input",
        "output",
        "parameters",
        "multiply_adds",
        "problems",
    }
    assert result["blocks"][0]["input"] == [1, 28, 28]
    assert result["blocks"][0]["output"] == [6, 28, 28]


def test_a_problem_is_named_with_its_block_and_its_fixes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.json"
    path.write_text('{"format": 1, "blocks": [{"id": "l", "type": "Linear"}]}')
    assert main(["check", str(path), "--dataset", "digits", "--json"]) == 1
    problem = json.loads(capsys.readouterr().out)["blocks"][0]["problems"][0]
    assert problem["code"] == "needs_vector"
    assert problem["fixes"][0] == {
        "label": "Insert Flatten",
        "operations": [{"op": "add", "type": "Flatten", "position": 0}],
    }
    assert main(["check", str(path), "--dataset", "digits"]) == 1
    assert "Block l (Linear): Linear needs a vector" in capsys.readouterr().out


def repaired(document: dict[str, object], tmp_path: Path, *extra: str) -> int:
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(document))
    return main(["check", str(path), "--dataset", "mnist", "--repair", *extra])


def test_a_repair_prints_the_document_and_names_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = {"format": 1, "blocks": [{"id": "l", "type": "Linear", "params": {"out_features": 3}}]}
    assert repaired(broken, tmp_path) == 0
    output = capsys.readouterr()
    assert output.err == "repaired: Insert Flatten\nrepaired: Set its outputs to 10\n"
    assert [block["type"] for block in json.loads(output.out)["blocks"]] == ["Flatten", "Linear"]
    assert json.loads((tmp_path / "broken.json").read_text()) == broken

    target = tmp_path / "sound.json"
    assert repaired(broken, tmp_path, "--json", "-o", str(target)) == 0
    assert capsys.readouterr().out == ""
    assert target.read_text().count("\n") == 1
    assert main(["check", str(target), "--dataset", "mnist"]) == 0


def test_a_check_without_a_repair_has_nothing_to_write(document: Path, tmp_path: Path) -> None:
    target = tmp_path / "checked.json"
    assert main(["check", str(document), "--dataset", "mnist", "-o", str(target)]) == 2
    assert not target.exists()


def test_a_repair_names_what_is_left_for_the_user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert repaired({"format": 1, "blocks": [{"id": "x1", "type": "Conv9d"}]}, tmp_path) == 1
    output = capsys.readouterr()
    assert output.err == "left: Block x1 (Conv9d): There is no block of the type Conv9d.\n"
    assert json.loads(output.out)["blocks"][0]["type"] == "Conv9d"


def test_a_malformed_document_is_not_repaired(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.json"
    path.write_text("{")
    assert main(["check", str(path), "--dataset", "mnist", "--repair"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1


BAD = {
    "unknown type": ('{"format": 1, "blocks": [{"id": "x1", "type": "Conv9d"}]}', "x1"),
    "missing parameters' container": ('{"format": 1, "blocks": [{"id": "x1", "type": "ReLU", "params": 3}]}', "[0]"),
    "absurd parameter": (
        '{"format": 1, "blocks": [{"id": "x1", "type": "Conv2d", "params": {"kernel_size": -7}}]}',
        "x1",
    ),
    "impossible shape": (
        '{"format": 1, "blocks": [{"id": "x1", "type": "Conv2d", "params": {"kernel_size": 64}}]}',
        "x1",
    ),
    "wrong output size": (
        '{"format": 1, "blocks": [{"id": "f", "type": "Flatten"},'
        ' {"id": "x1", "type": "Linear", "params": {"out_features": 7}}]}',
        "x1",
    ),
    "ten thousand blocks": (
        json.dumps({"format": 1, "blocks": [{"id": f"x{n}", "type": "ReLU"} for n in range(10_000)]}),
        "x400",
    ),
    "malformed JSON": ('{"format": 1, "blocks": [', "JSON"),
    "not text at all": ("\x00\x01", "JSON"),
}


@pytest.mark.parametrize("command", ["check", "code", "train"])
@pytest.mark.parametrize("case", BAD)
def test_a_bad_document_gives_one_clear_line_and_no_traceback(
    command: str, case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, named = BAD[case]
    path = tmp_path / "bad.json"
    path.write_text(text)
    extra = ["--data-dir", str(tmp_path / "data")] if command == "train" else []
    assert main([command, str(path), "--dataset", "digits", *extra]) == 1
    output = capsys.readouterr()
    if command == "check":
        assert named in output.out
        return
    assert output.out == ""
    assert named in output.err
    assert output.err.startswith("scv: ")
    assert output.err.count("\n") == 1


@pytest.mark.parametrize("command", ["check", "train"])
@pytest.mark.parametrize("case", BAD)
def test_a_bad_document_gives_json_where_json_is_asked_for(
    command: str, case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(BAD[case][0])
    extra = ["--data-dir", str(tmp_path / "data")] if command == "train" else []
    assert main([command, str(path), "--dataset", "digits", "--json", *extra]) == 1
    output = capsys.readouterr()
    if command == "check":
        assert json.loads(output.out)["ok"] is False
        assert output.err == ""
    else:
        assert output.out == ""
        assert output.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "nowhere.json", "--dataset", "mnist"],
        ["check", ".", "--dataset", "mnist"],
        ["code", "nowhere.json", "--dataset", "mnist"],
        ["train", "nowhere.json", "--dataset", "mnist"],
    ],
)
def test_a_file_that_cannot_be_read_is_misuse(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_unknown_dataset_is_misuse_and_the_known_ones_are_named(
    document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(document), "--dataset", "imagenet"]) == 2
    assert "digits, mnist" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["explode"], ["check"], ["check", "a.json"], ["worker", "--queue", "x"]])
def test_misuse_is_one_line_and_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_code_is_written_to_a_file_or_printed(
    document: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "model.py"
    assert main(["code", str(document), "--dataset", "mnist", "-o", str(target)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["code", str(document), "--dataset", "mnist"]) == 0
    assert capsys.readouterr().out == target.read_text()
    compile(target.read_text(), "model.py", "exec")


def test_a_target_that_cannot_be_written_is_misuse(document: Path, tmp_path: Path) -> None:
    assert main(["code", str(document), "--dataset", "mnist", "-o", str(tmp_path / "no" / "model.py")]) == 2


def test_the_installed_command_starts_without_torch(document: Path) -> None:
    """A check takes well under a second, because nothing heavy is imported."""
    code = f"import sys; from scv.__main__ import main; main(['check', {str(document)!r}, '--dataset', 'mnist']); \
print('torch' in sys.modules, 'sklearn' in sys.modules, 'litestar' in sys.modules)"
    output = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.endswith("False False False\n")


def test_code_that_could_not_be_trained_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "normalized.json"
    path.write_text(
        '{"format": 1, "blocks": [{"id": "f", "type": "Flatten"}, {"id": "n", "type": "BatchNorm1d"},'
        ' {"id": "l", "type": "Linear", "params": {"out_features": 10}}]}'
    )
    assert main(["code", str(path), "--dataset", "digits", "--batch-size", "1"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "scv: BatchNorm1d needs more than one value to normalize: try another batch size.\n"
