"""`scv parse`, as a person and as a script see it."""

import json
from pathlib import Path

import pytest

from scv.__main__ import main
from scv.blocks.document import decode
from tests.blocks.networks import CIFAR10, MNIST, QUICKSTART


@pytest.fixture
def code(tmp_path: Path) -> Path:
    return tmp_path / "net.py"


@pytest.mark.parametrize("source", [QUICKSTART, MNIST, CIFAR10], ids=["quickstart", "mnist", "cifar10"])
def test_the_networks_of_the_tutorials_import(
    source: str, code: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code.write_text(source)
    assert main(["parse", str(code), "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.count("\n") == 1
    document = tmp_path / "net.json"
    document.write_text(printed.out)
    if source is not CIFAR10:
        assert main(["check", str(document), "--dataset", "mnist"]) == 0
        capsys.readouterr()

    assert main(["parse", str(code)]) == 0
    indented = capsys.readouterr().out
    assert decode(indented) == decode(printed.out)
    assert indented.count("\n") > 10


def test_what_code_writes_parse_reads(code: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = tmp_path / "net.json"
    blocks = [{"id": "flatten1", "type": "Flatten"}, {"id": "linear1", "type": "Linear"}]
    document.write_text(json.dumps({"format": 1, "blocks": blocks}))
    assert main(["code", str(document), "--dataset", "digits", "-o", str(code)]) == 0
    assert main(["parse", str(code), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["blocks"] == blocks


def test_what_cannot_be_taken_is_named_with_its_line_and_the_rest_is_printed(
    code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code.write_text("model = nn.Sequential(\n    nn.Flatten(),\n    nn.LSTM(3, 4),\n    nn.Linear(4, 10))\n")
    assert main(["parse", str(code), "--json"]) == 1
    printed = capsys.readouterr()
    assert printed.err == f"{code}:3: nn.LSTM(3, 4) cannot be imported.\n"
    assert [block["type"] for block in json.loads(printed.out)["blocks"]] == ["Flatten", "Linear"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no network"),
        (b"def f(:\n", "Line 1 is not valid Python"),
        (b"\xff\xfe\x00", "characters"),
        (b"#" * 10_000_000, "longer than"),
        ("é".encode() * 500_000, "longer than"),
        (b"\0", ""),
    ],
    ids=range(6),
)
def test_what_is_no_network_is_refused_in_one_line(
    content: bytes, words: str, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code.write_bytes(content)
    assert main(["parse", str(code)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err
    assert printed.err.count("\n") == 1


def test_a_byte_order_mark_does_no_harm(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code.write_text("\ufeffmodel = nn.Sequential(nn.Flatten(), nn.Linear(4, 10))", encoding="utf-8")
    assert main(["parse", str(code)]) == 0


def test_a_file_that_is_not_there_is_misuse(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", str(code)]) == 2
    assert main(["parse", str(code.parent)]) == 2
    assert capsys.readouterr().err.count("cannot be read") == 2


def test_a_notebook_is_read_as_in_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = ["%matplotlib inline\nfrom torch import nn\n", "net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))"]
    described = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    image = {"cell_type": "code", "source": [], "outputs": [{"data": {"image/png": "A" * 3_000_000}}]}
    notebook = tmp_path / "net.ipynb"
    notebook.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [*described, image]}))
    assert main(["parse", str(notebook), "--json"]) == 0
    document = decode(capsys.readouterr().out)
    assert [block.type for block in document.blocks] == ["Flatten", "Linear"]


@pytest.mark.parametrize("text", ["{", "", "\xff", '{"nbformat": 4, "cells": []}'])
def test_what_is_no_notebook_is_told(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notebook = tmp_path / "net.ipynb"
    notebook.write_bytes(text.encode("latin-1"))
    assert main(["parse", str(notebook)]) != 0
    assert "Traceback" not in capsys.readouterr().err
