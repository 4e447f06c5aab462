"""The notebook is one that Jupyter opens, and run from top to bottom it does what the script does."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import nbformat
import pytest

from scv.__main__ import main
from scv.blocks.codegen import InvalidDocumentError
from scv.blocks.document import Document, encode
from scv.blocks.starters import STARTERS, Starter
from scv.data.official.catalogue import DATASETS, DatasetInfo, find
from scv.export.notebook import notebook
from scv.export.script import script
from scv.training.settings import TrainingSettings

DIGITS = find("digits")
SETTINGS = TrainingSettings(epochs=15, seed=2)

RUNNER = """\
import json, sys
names = {"__name__": "__main__"}
for cell in json.load(open(sys.argv[1], encoding="utf-8"))["cells"]:
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
names["sheet"].save("sheet.png")
assert len(names["sheet"].getcolors(1 << 24)) > 2, "no images are on it"
"""


def alone(folder: Path, *command: str) -> str:
    """Run Python where SCV cannot be imported, warnings being errors."""
    (folder / "scv.py").write_text("raise ImportError('it must not need SCV')")
    arguments = [sys.executable, "-W", "error", *command]
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def scores(output: str) -> list[str]:
    """The test's loss and accuracy, and the validation's of every epoch, as they are printed."""
    return re.findall(r"(?:test|validation) loss [\d.]+, (?:test )?accuracy [\d.]+%", output)


def test_run_from_top_to_bottom_it_trains_digits_to_the_accuracy_of_the_script(tmp_path: Path) -> None:
    document = STARTERS["cnn"].build(DIGITS.shape, DIGITS.classes)
    (tmp_path / "model.ipynb").write_text(notebook(document, DIGITS, SETTINGS), encoding="utf-8")
    (tmp_path / "model.py").write_text(script(document, DIGITS, SETTINGS), encoding="utf-8")
    (tmp_path / "run_cells.py").write_text(RUNNER)
    shown = alone(tmp_path, "run_cells.py", "model.ipynb")
    assert scores(shown) == scores(alone(tmp_path, "model.py", "--save", "other.pt"))
    assert len(scores(shown)) == SETTINGS.epochs + 1
    assert float(re.findall(r"test accuracy ([\d.]+)%", shown)[0]) > 96
    assert re.search(r"image 0: \d, taken for \d \(\d+% sure\)", shown)
    assert (tmp_path / "model.pt").exists()


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
@pytest.mark.parametrize("starter", [s for s in STARTERS.values() if not s.exercise], ids=lambda s: s.name)
def test_every_starter_makes_a_valid_notebook(starter: Starter, dataset: DatasetInfo) -> None:
    text = notebook(starter.build(dataset.shape, dataset.classes), dataset, SETTINGS, title=starter.title)
    read = nbformat.reads(text, as_version=nbformat.NO_CONVERT)
    nbformat.validate(read)
    assert (read.nbformat, read.nbformat_minor) == (4, 5)
    assert read.cells[0].source.startswith(f"# {starter.title}\n")
    for cell in read.cells:
        assert "$" not in cell.source
        if cell.cell_type == "code":
            compile(cell.source, cell.id, "exec")
            assert cell.outputs == []
            assert max(map(len, cell.source.splitlines())) <= 120


def test_the_notebook_does_what_its_settings_say_as_the_script_does(tmp_path: Path) -> None:
    settings = TrainingSettings(
        epochs=3, optimizer="SGD", learning_rate=0.02, schedule="cosine", rotation=10, cutout=2, train_percent=60
    )
    document = STARTERS["cnn"].build(DIGITS.shape, DIGITS.classes)
    (tmp_path / "model.ipynb").write_text(notebook(document, DIGITS, settings), encoding="utf-8")
    (tmp_path / "model.py").write_text(script(document, DIGITS, settings), encoding="utf-8")
    (tmp_path / "run_cells.py").write_text(RUNNER)
    shown = alone(tmp_path, "run_cells.py", "model.ipynb")
    assert scores(shown) == scores(alone(tmp_path, "model.py", "--save", "other.pt"))
    assert len(scores(shown)) == settings.epochs + 1


def test_the_same_network_gives_the_same_file() -> None:
    document = STARTERS["lenet"].build(DIGITS.shape, DIGITS.classes)
    assert notebook(document, DIGITS, SETTINGS) == notebook(document, DIGITS, SETTINGS)


def test_a_title_and_class_names_are_words_whatever_stands_in_them() -> None:
    nasty = '<img src=x onerror=alert(1)> [a](javascript:b) $title """\\'
    names = ('"""', "'); import os #", "\\", "고양이", *(f"a class with a long name {n}" for n in range(6)))
    dataset = msgspec.structs.replace(DIGITS, class_names=names)
    read = nbformat.reads(
        notebook(STARTERS["linear"].build(DIGITS.shape, 10), dataset, SETTINGS, title=nasty), as_version=4
    )
    assert re.search(r"(?<!\\)[<$[]", read.cells[0].source.splitlines()[0]) is None
    settings = next(cell.source for cell in read.cells if cell.id == "settings")
    made: dict[str, Any] = {}
    exec(settings[settings.index("CLASS_NAMES") :], made)  # noqa: S102 - what is tested is that this is safe
    assert tuple(made["CLASS_NAMES"]) == names


def test_an_unsound_network_has_no_notebook() -> None:
    with pytest.raises(InvalidDocumentError):
        notebook(Document(), DIGITS, SETTINGS)


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "my-net.json"
    path.write_bytes(encode(STARTERS["resnet"].build(DIGITS.shape, DIGITS.classes)))
    target = tmp_path / "my-net.ipynb"
    assert main(["code", str(path), "--dataset", "digits", "--notebook", "-o", str(target)]) == 0
    assert capsys.readouterr().out == ""
    nbformat.validate(nbformat.read(target, as_version=nbformat.NO_CONVERT))
    assert "class Residual" in target.read_text()
    assert json.loads(target.read_text())["metadata"]["kernelspec"]["name"] == "python3"
