"""`scv train` and the script that `scv code` writes: both really train."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scv.__main__ import main
from scv.blocks.document import encode
from scv.blocks.starters import STARTERS
from scv.ml.weights import read_tensors
from scv.training.settings import FIELDS
from tests.commands.test_documents import LENET

EPOCHS = "20"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("train") / "lenet.json"
    path.write_text(json.dumps(LENET))
    return path


def train(document: Path, folder: Path, capsys: pytest.CaptureFixture[str], *extra: str) -> dict[str, object]:
    arguments = ["train", str(document), "--dataset", "digits", "--data-dir", str(folder), "--json", *extra]
    assert main(arguments) == 0
    result: dict[str, object] = json.loads(capsys.readouterr().out)
    return result


def test_digits_reach_96_percent_and_the_result_says_all(
    document: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = train(document, tmp_path, capsys, "--epochs", EPOCHS, "--seed", "1")
    assert result["test_accuracy"] >= 0.96  # type: ignore[operator]
    assert result["epochs"] == int(EPOCHS)
    assert result["device"] == "cpu"
    assert Path(str(result["weights"])).stat().st_size > 4 * int(str(result["parameters"]))
    assert {"test_accuracy", "test_loss", "epochs", "seconds", "parameters", "device", "weights"} <= set(result)


def test_the_same_seed_gives_the_same_numbers(
    document: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, other = (
        train(document, tmp_path, capsys, "--epochs", "2", "--seed", seed) for seed in ("3", "3", "4")
    )
    assert first["test_loss"] == second["test_loss"] != other["test_loss"]
    assert first["weights"] != second["weights"]


@pytest.mark.parametrize(
    "extra",
    [
        ("--epochs", "0"),
        ("--epochs", "many"),
        ("--lr", "nan"),
        ("--lr", "-1"),
        ("--batch-size", "1e9"),
        ("--seed", "-1"),
    ],
)
def test_a_setting_out_of_range_is_misuse_and_named(
    extra: tuple[str, str], document: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", str(document), "--dataset", "digits", "--data-dir", str(tmp_path), *extra]
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert {"--lr": "learning_rate", "--batch-size": "batch_size"}.get(extra[0], extra[0][2:]) in message
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_is_not_there_is_said(document: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", str(document), "--dataset", "digits", "--data-dir", str(tmp_path), "--device", "cuda:99"]
    assert main(arguments) == 1
    assert "cuda:99" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_it_explains_itself(option: str) -> None:
    command = [sys.executable, "-m", "scv", option]
    assert "scv" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def script(document: Path) -> Path:
    path = document.parent / "model.py"
    assert main(["code", str(document), "--dataset", "digits", "-o", str(path)]) == 0
    return path


def test_the_script_explains_itself(script: Path) -> None:
    shown = alone(script, "--help")
    for option in ("--epochs", "--batch-size", "--lr", "--seed", "--device", "--save", "--data"):
        assert option in shown


def test_the_script_trains_the_same_network_to_the_same_accuracy(
    script: Path, document: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Same seed, same order, same steps: only rounding may differ, so one test image in 355 may."""
    ours = train(document, tmp_path, capsys, "--epochs", EPOCHS)
    shown = alone(script, "--epochs", EPOCHS, "--seed", "0", "--device", "cpu")
    found = re.search(r"test loss ([\d.]+), test accuracy ([\d.]+)%", shown)
    assert found is not None
    assert float(found[2]) / 100 == pytest.approx(ours["test_accuracy"], abs=1.5 / 355)
    assert float(found[1]) == pytest.approx(ours["test_loss"], abs=0.01)
    assert (script.parent / "model.pt").exists()


SETTINGS = {
    "sgd with nesterov, cosine, shifted": (
        *("--optimizer", "SGD", "--lr", "0.02", "--schedule", "cosine", "--weight-decay", "0.0005", "--shift", "1"),
    ),
    "adamw, in steps, turned and cropped": (
        *("--optimizer", "AdamW", "--schedule", "step", "--weight-decay", "0.05", "--rotation", "10", "--crop", "20"),
    ),
    "rmsprop, constant, smoothed, cut out and flipped": (
        *("--optimizer", "RMSprop", "--schedule", "constant", "--label-smoothing", "0.1"),
        *("--cutout", "3", "--flip", "true"),
    ),
    "adam, less data, more validation, patience": (
        *("--lr", "0.01", "--train-percent", "40", "--validation-percent", "20", "--patience", "1"),
    ),
}


@pytest.mark.parametrize("options", SETTINGS.values(), ids=SETTINGS)
def test_the_script_does_what_the_settings_say_epoch_by_epoch(
    options: tuple[str, ...], document: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rounding alone may differ, and grows while a network learns: so there are few epochs, and some tolerance."""
    options = (*options, "--epochs", "6")
    ours = train(document, tmp_path, capsys, *options)
    path = tmp_path / "model.py"
    assert main(["code", str(document), "--dataset", "digits", *options, "-o", str(path)]) == 0
    shown = alone(path, "--device", "cpu")

    epochs = re.findall(r"validation loss ([\d.]+), accuracy ([\d.]+)%", shown)
    expected = history(Path(str(ours["weights"])).parent)
    assert len(epochs) == len(expected) == ours["epochs"]
    for (loss, accuracy), metrics in zip(epochs, expected, strict=True):
        assert float(loss) == pytest.approx(metrics["validation_loss"], abs=0.01)
        assert float(accuracy) / 100 == pytest.approx(metrics["validation_accuracy"], abs=1.5 / 140)
    tested = re.search(r"test loss ([\d.]+), test accuracy ([\d.]+)%", shown)
    assert tested is not None
    assert float(tested[1]) == pytest.approx(ours["test_loss"], abs=0.02)
    assert float(tested[2]) / 100 == pytest.approx(ours["test_accuracy"], abs=2.5 / 355)


def history(folder: Path) -> list[dict[str, float]]:
    """The figures of every epoch, from the checkpoint that the training left behind."""
    _, text = read_tensors(folder / "checkpoint.safetensors")
    epochs: list[dict[str, float]] = json.loads(text)["meta"]["epochs"]
    return epochs


def test_the_script_has_only_the_steps_that_its_settings_use(
    document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def code(*options: str) -> str:
        assert main(["code", str(document), "--dataset", "digits", *options]) == 0
        return capsys.readouterr().out

    plain = code("--schedule", "constant")
    for word in ("augment", "draws", "math", "learning_rate", "label_smoothing", "autocast", "best_epoch", "rest"):
        assert not re.search(rf"\b{word}\b", plain.replace("the rest is trained on", "")), word
    assert "x = torch.where(draws[0] < 0.5, -x, x)" in code("--flip", "true")
    assert "import math" in code("--schedule", "cosine")
    assert "label_smoothing=0.1" in code("--label-smoothing", "0.1")
    assert "torch.autocast" in code("--precision", "bf16")
    assert "momentum=0.9, nesterov=True" in code("--optimizer", "SGD")


def test_recommended_settings_come_with_their_reasons_and_may_be_overruled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cnn.json"
    path.write_bytes(encode(STARTERS["cnn"].build((1, 8, 8), 10)))
    for extra, rate in (((), "0.003"), (("--lr", "0.002"), "0.002")):
        assert main(["code", str(path), "--dataset", "digits", "--recommended", *extra]) == 0
        shown = capsys.readouterr()
        assert f'"--lr", type=float, default={rate}' in shown.out
        assert "BatchNorm" in shown.err


def test_every_setting_is_an_option_and_explained(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "500")  # no line breaks within a sentence
    for command in ("train", "code"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        shown = " ".join(capsys.readouterr().out.split())
        for field in FIELDS:
            if field.name not in ("device", "seeds"):
                assert f"--{field.name.replace('_', '-')} " in shown
                assert " ".join(str(field.range).split()) in shown


def alone(script: Path, *arguments: str) -> str:
    """Run the script where SCV cannot be imported, warnings being errors."""
    blocker = script.parent / "scv.py"
    blocker.write_text("raise ImportError('the script must not need SCV')")
    command = [sys.executable, "-W", "error", script.name, *arguments]
    return subprocess.run(command, cwd=script.parent, capture_output=True, text=True, check=True).stdout
