"""`scv export`, as a person and as a script see it: what it writes works without the rest of SCV."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import nbformat
import numpy as np
import onnxruntime
import pytest

from scv.__main__ import main
from scv.blocks.document import Block, Document
from scv.data.resident import Arrays, Resident, open_resident
from scv.data.resident_writer import write_resident
from scv.files import Files, weights_key
from scv.ml.prepare_official import prepare
from scv.ml.train.train import WEIGHTS, train
from scv.ml.trained import load_trained
from scv.ml.weights import read_tensors, write_tensors
from scv.training.settings import TrainingSettings
from tests.data.image_files import classes, write_zip

DOCUMENT = Document(
    blocks=(Block("f", "Flatten"), Block("n", "BatchNorm1d"), Block("l", "Linear", {"out_features": 10}))
)
RUN = 7


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with Digits in it and the weights of one run."""
    folder = tmp_path_factory.mktemp("data")
    of_run = Files(folder / "files").path(weights_key(RUN)).parent
    of_run.mkdir(parents=True)
    trained_on(prepare(folder, "digits"), of_run)
    return folder


@pytest.fixture(scope="module")
def weights(data_dir: Path) -> Path:
    return Files(data_dir / "files").path(weights_key(RUN))


def trained_on(resident: Resident, folder: Path) -> None:
    settings = TrainingSettings(epochs=2, batch_size=50, seed=3)
    train(DOCUMENT, settings, resident, folder=folder, emit=lambda event: None, should_stop=lambda: False)


def export(*arguments: object) -> int:
    return main(["export", *map(str, arguments)])


def test_a_run_becomes_an_onnx_file_and_the_figures_are_printed(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "digits.onnx"

    assert export(RUN, "--data-dir", data_dir, "--format", "onnx", "-o", file) == 0

    printed = capsys.readouterr()
    assert printed.err == ""
    assert "256 test images of digits" in printed.out
    assert printed.out.count("same label 100.00%") == 3
    digits = open_resident(data_dir, "digits")
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"pixels": digits.test_images.astype(np.float32)})
    assert (logits.argmax(1) == digits.test_labels).mean() > 0.5, "chance would be 0.1"
    assert list(tmp_path.iterdir()) == [file]


def test_the_same_as_json(weights: Path, data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "digits.onnx"

    assert export(weights, "--data-dir", data_dir, "--format", "onnx", "-o", file, "--json") == 0

    made: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert made["bytes"] == file.stat().st_size
    assert (made["format"], made["file"], made["same"]) == ("onnx", str(file), True)
    assert [pair["agreement"] for pair in made["parity"]["pairs"]] == [1, 1, 1]
    assert max(pair["difference"] for pair in made["parity"]["pairs"]) <= 1e-4
    assert made["parity"]["dataset_hash"] == open_resident(data_dir, "digits").hash


@pytest.mark.parametrize("there", ["nothing", "other images"])
def test_without_its_dataset_it_is_compared_on_noise_and_says_so(
    there: str, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors, text = read_tensors(weights)
    described = {**msgspec.json.decode(text), "dataset": "mine", "class_names": list("abcdefghij")}
    write_tensors(tmp_path / WEIGHTS, tensors, msgspec.json.encode(described).decode())
    if there == "other images":
        black, labels = np.zeros((10, 1, 8, 8), np.uint8), np.arange(10)
        write_resident(tmp_path, "mine", Arrays(black, labels, black, labels))

    arguments = ("--data-dir", tmp_path, "--format", "onnx", "-o", tmp_path / "a.onnx", "--json")
    assert export(tmp_path / WEIGHTS, *arguments) == 0

    printed = capsys.readouterr()
    assert "noise" in printed.err
    assert json.loads(printed.out)["parity"]["dataset_hash"] is None


def test_the_weights_are_taken_away_as_they_are(data_dir: Path, weights: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.safetensors"

    assert export(RUN, "--data-dir", data_dir, "--format", "safetensors", "-o", file) == 0

    assert file.read_bytes() == weights.read_bytes()
    assert load_trained(file).info.dataset == "digits"


def test_the_script_trains_by_itself(weights: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"

    assert export(weights, "--format", "script", "-o", file) == 0

    command = [sys.executable, "mine.py", "--epochs", "1", "--device", "cpu"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "test accuracy" in shown
    assert "python mine.py" in file.read_text()
    assert "default=2, help=" in file.read_text(), "the settings are those of the training"


def test_the_notebook_is_one(weights: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.ipynb"

    assert export(weights, "--format", "notebook", "-o", file) == 0

    nbformat.validate(nbformat.read(file, as_version=4))


def test_the_script_of_own_images_needs_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (100, 1, 28, 28), dtype=np.uint8)
    arrays = Arrays(images, np.arange(100) % 10, images[:20], np.arange(20) % 10)
    trained_on(write_resident(tmp_path, "mine", arrays, tuple("abcdefghij")), tmp_path)
    mine, file = tmp_path / WEIGHTS, tmp_path / "mine.py"
    zipped = write_zip(tmp_path / "images.zip", classes(10, 3))

    assert export(mine, "--format", "script", "-o", file) == 2
    assert "--dataset says where" in capsys.readouterr().err
    assert export(mine, "--format", "script", "-o", file, "--dataset", zipped) == 2
    assert "(1, 28, 28)" in capsys.readouterr().err
    assert not file.exists()

    assert export(mine, "--format", "script", "-o", file, "--dataset", zipped, "--image-size", 28, "--grey") == 0
    compile(file.read_text(), "mine.py", "exec")
    renamed = write_zip(
        tmp_path / "renamed.zip", {name.replace("j/", "z/"): data for name, data in classes(10, 3).items()}
    )
    assert export(mine, "--format", "script", "-o", file, "--dataset", renamed, "--image-size", 28, "--grey") == 2
    assert "are others" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["nowhere/a.onnx", "folder", "folder/../folder"])
def test_where_nothing_can_be_written_nothing_is(
    target: str, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()

    assert export(weights, "--format", "safetensors", "-o", tmp_path / target) == 2

    assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def test_damaged_weights_are_a_problem_and_named(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(weights.read_bytes()[:-9])

    assert export(torn, "--format", "onnx", "-o", tmp_path / "a.onnx") == 1
    assert "torn.safetensors holds no weights" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [torn]
