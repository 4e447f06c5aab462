"""Figures to take away: what a spreadsheet and a program read is what was measured, and nothing is carried out."""

import csv
import json
from io import StringIO
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scv.export import tables
from scv.training.progress import EpochMetrics, Result

EPOCHS = [
    EpochMetrics(
        epoch=number,
        train_loss=1 / 3 / number,
        train_accuracy=0.5,
        validation_loss=1e-7,
        validation_accuracy=0.25,
        seconds=2.5,
        best=number == 1,
        learning_rate=0.001,
        images_per_second=812.5,
    )
    for number in (1, 2)
]
RESULT = Result(
    test_accuracy=0.9876,
    test_loss=0.04,
    epochs=2,
    best_epoch=1,
    validation_accuracy=0.25,
    seconds=5.25,
    parameters=61706,
    device="cpu",
    dataset_hash="sha256:0",
    libraries={"scv": "0.1.0", "torch": "2.13.0"},
    weights="/srv/data/files/runs/7/weights.safetensors",
)
NAMES = ["dog, or wolf", 'the "best"', "=1+1", "고양이"]
MATRIX = [[5, 0, 1, 0], [0, 6, 0, 0], [2, 0, 4, 0], [0, 0, 0, 3]]


def read(content: bytes) -> list[list[str]]:
    assert content.startswith(b"\xef\xbb\xbf"), "without it spreadsheets misread Korean"
    return list(csv.reader(StringIO(content.decode("utf-8-sig"), newline=""), strict=True))


def test_the_history_reads_back_to_the_last_digit() -> None:
    header, *rows = read(tables.history_csv(EPOCHS))

    back = [msgspec.convert(dict(zip(header, row, strict=True)), EpochMetrics, strict=False) for row in rows]
    assert back == EPOCHS
    assert [msgspec.convert(one, EpochMetrics) for one in json.loads(tables.history_json(EPOCHS))] == EPOCHS


def test_a_run_without_an_epoch_has_only_the_names() -> None:
    assert len(read(tables.history_csv([]))) == 1
    assert json.loads(tables.history_json([])) == []


def test_the_result_says_all_but_where_the_server_keeps_its_files() -> None:
    facts = dict(read(tables.result_csv(RESULT)))
    assert facts["test_accuracy"] == "0.9876"
    assert facts["library torch"] == "2.13.0"
    assert set(msgspec.structs.asdict(RESULT)) - set(facts) == {"libraries", "weights"}

    plain = json.loads(tables.result_json(RESULT))
    assert {**plain, "weights": RESULT.weights} == msgspec.structs.asdict(RESULT)
    for content in (tables.result_csv(RESULT), tables.result_json(RESULT)):
        assert b"/srv" not in content


def test_a_confusion_keeps_its_names_and_counts() -> None:
    header, *rows = read(tables.confusion_csv(MATRIX, NAMES))

    shown = ["dog, or wolf", 'the "best"', "'=1+1", "고양이"]
    assert header[1:] == shown
    assert [row[0] for row in rows] == shown
    assert [[int(cell) for cell in row[1:]] for row in rows] == MATRIX
    assert json.loads(tables.confusion_json(MATRIX, NAMES)) == {"class_names": NAMES, "matrix": MATRIX}


def test_figures_of_the_classes_stand_in_their_columns() -> None:
    figures: dict[str, Any] = {"precision": [0.5, 1.0, None, 0.75], "images": [6, 6, 6, 3]}

    assert read(tables.classes_csv(NAMES, figures)) == [
        ["class", "precision", "images"],
        ["dog, or wolf", "0.5", "6"],
        ['the "best"', "1.0", "6"],
        ["'=1+1", "", "6"],
        ["고양이", "0.75", "3"],
    ]
    assert json.loads(tables.classes_json(NAMES, figures))[2] == {"class": "=1+1", "precision": None, "images": 6}


@pytest.mark.parametrize("matrix", [MATRIX[:3], [*MATRIX, [0, 0, 0, 0]]])
def test_a_matrix_of_other_classes_is_no_table(matrix: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="zip"):
        tables.confusion_csv(matrix, NAMES)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_any_text_survives_and_none_begins_a_formula(texts: list[str]) -> None:
    (_, cells) = read(tables.as_csv(["x"] * len(texts), [texts]))

    for text, cell in zip(texts, cells, strict=True):
        assert cell in (text, f"'{text}")
        assert cell.strip(" ")[:1] not in {*"=+-@\t\r\n＝＋－＠"} - {""}


def test_negative_figures_stay_figures() -> None:
    assert read(tables.as_csv(["loss"], [[-0.5], ["-0.5"]])) == [["loss"], ["-0.5"], ["'-0.5"]]
