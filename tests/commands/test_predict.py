"""`scv predict`: answers to images, and what is said where there is none."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scv.__main__ import main
from scv.data.resident import open_resident
from tests.commands.test_documents import LENET
from tests.ml.reported import ruin


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data folder, and the weights of a network that was trained in it."""
    data_dir = tmp_path_factory.mktemp("data")
    document = data_dir / "lenet.json"
    document.write_text(json.dumps(LENET))
    assert main(["train", str(document), "--dataset", "digits", "--data-dir", str(data_dir), "--epochs", "15"]) == 0
    return data_dir, next((data_dir / "trained").glob("*/weights.safetensors"))


@pytest.fixture
def digit(trained: tuple[Path, Path], tmp_path: Path) -> Path:
    """A real digit of the test set, 0, large and dark on white."""
    resident = open_resident(trained[0], "digits")
    pixels = resident.test_images[np.flatnonzero(resident.test_labels == 0)[0], 0]
    page = Image.new("L", (300, 300), 255)
    page.paste(Image.fromarray(255 - pixels).resize((160, 160), Image.Resampling.BICUBIC), (70, 70))
    page.save(tmp_path / "zero.png")
    return tmp_path / "zero.png"


def test_an_answer_has_five_classes_with_bars(
    trained: tuple[Path, Path], digit: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir, weights = trained
    assert main(["predict", str(weights), str(digit), "--data-dir", str(data_dir)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(digit)
    assert lines[1].split()[0] == "0"
    assert "█" in lines[1]
    assert len([line for line in lines if line.endswith("%")]) == 5


def test_json_says_all_of_several_images_and_one_that_cannot_be_read_does_not_stop_the_others(
    trained: tuple[Path, Path], digit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir, weights = trained
    Image.new("L", (99, 99), 255).save(tmp_path / "blank.png")
    (tmp_path / "torn.jpg").write_bytes(digit.read_bytes()[:200])
    images = [digit, tmp_path / "blank.png", tmp_path / "torn.jpg", tmp_path / "missing.png", tmp_path, digit]
    assert main(["predict", str(weights), *map(str, images), "--data-dir", str(data_dir), "--json"]) == 1
    output = capsys.readouterr()
    rows = json.loads(output.out)

    assert [row["image"] for row in rows] == list(map(str, images))
    assert ["error" in row for row in rows] == [False, True, True, True, True, False]
    assert output.err.count("\n") == 4
    assert rows[0] == rows[-1]
    assert set(rows[0]) == {
        *("image", "guesses", "probabilities", "entropy", "most_entropy"),
        *("familiarity", "notes"),
    }
    assert rows[0]["guesses"][0]["name"] == "0"
    assert sum(rows[0]["probabilities"]) == pytest.approx(1)
    assert rows[0]["familiarity"]["unfamiliar"] is False


def test_a_run_is_named_by_its_number(
    trained: tuple[Path, Path], digit: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir, weights = trained
    folder = data_dir / "files" / "runs" / "12"
    folder.mkdir(parents=True)
    shutil.copy(weights, folder)
    assert main(["predict", "12", str(digit), "--data-dir", str(data_dir), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["guesses"][0]["name"] == "0"
    assert (folder / "weights.familiar.safetensors").is_file()


def test_where_the_dataset_is_not_at_hand_that_is_said(
    trained: tuple[Path, Path], digit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = shutil.copy(trained[1], tmp_path)
    assert main(["predict", weights, str(digit), "--data-dir", str(tmp_path / "other"), "--json"]) == 0
    output = capsys.readouterr()
    assert "not at hand" in output.err
    assert json.loads(output.out)[0]["familiarity"] is None


def test_of_a_network_whose_answers_are_no_numbers_each_image_says_what_to_do(
    trained: tuple[Path, Path], digit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = shutil.copy(trained[1], tmp_path)
    ruin(Path(weights))
    for options in ((), ("--json",)):
        assert main(["predict", weights, str(digit), "--data-dir", str(trained[0]), *options]) == 1
        output = capsys.readouterr()
        assert output.err.count("\n") == 1
        assert "not numbers" in output.err
        assert "smaller learning rate, such as 0.0001" in output.err
        assert output.out == "" or "not numbers" in json.loads(output.out)[0]["error"]
    assert [path.name for path in tmp_path.glob("weights*")] == ["weights.safetensors"]


@pytest.mark.parametrize(
    ("weights", "status"), [("none.safetensors", 2), ("4711", 2), (".", 2), ("torn.safetensors", 1)]
)
def test_weights_that_are_none_are_told_in_one_line(
    weights: str,
    status: int,
    digit: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    assert main(["predict", weights, str(digit), "--data-dir", str(tmp_path)]) == status
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
