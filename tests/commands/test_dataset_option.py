"""`--dataset` with a path: a person's own images in `scv check`, `code`, `train` and `starters`."""

import json
import re
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scv.__main__ import main
from scv.blocks.document import encode
from scv.blocks.starters import STARTERS
from scv.data.own.importing import ImageOptions, prepare_images
from tests.commands.test_train import alone, history
from tests.data.image_files import classes, saved, write_folder, write_zip
from tests.export.test_notebook import RUNNER, scores


def stripes(number: int, upright: bool) -> Image.Image:
    """An image of a class that can be learned, 40 × 36 pixels."""
    random = np.random.default_rng(2 * number + upright)
    wave = 100 * np.sin(np.arange(40) / random.uniform(1, 2) + random.uniform(0, 6))
    rows = np.broadcast_to(wave, (36, 40)) if upright else np.broadcast_to(wave[:36, None], (36, 40))
    pixels = 128 + rows[..., None] + random.normal(0, 20, (36, 40, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def some_images() -> dict[str, bytes]:
    """Two classes with 30 images each, of several formats, and what has to be left out."""
    files = {}
    for number in range(30):
        for name, upright in (("upright stripes", True), ('"flat"', False)):
            format = ("PNG", "JPEG", "WEBP", "BMP")[number % 4]
            files[f"set/{name}/{number:02}.{format.lower()}"] = saved(stripes(number, upright), format)
    turned = Image.Exif()
    turned[0x0112] = 6
    clear = stripes(50, True).convert("RGBA")
    clear.putalpha(90)
    return files | {
        "set/upright stripes/turned.jpg": saved(stripes(51, False), "JPEG", exif=turned),
        "set/upright stripes/clear.png": saved(clear),
        "set/upright stripes/again.png": files["set/upright stripes/00.png"],
        "set/upright stripes/torn.png": files["set/upright stripes/00.png"][:300],
        "set/upright stripes/.hidden.png": files["set/upright stripes/00.png"],
        "set/readme.txt": b"x",
    }


def parted_images() -> dict[str, bytes]:
    """The same with parts: of the thirty of a class six for validation, six for the test."""
    files = {}
    for name, data in some_images().items():
        digits = name.rpartition("/")[2][:2]
        part = {3: "Validation", 4: "test"}.get(int(digits) % 5, "train") if digits.isdigit() else "train"
        files[name.replace("set/", f"set/{part}/")] = data
    return files


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_zip(tmp_path_factory.mktemp("own") / "my stripes.zip", some_images())


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "lenet.json"
    path.write_bytes(encode(STARTERS["lenet"].build((3, 32, 32), 2)))
    return path


def test_check_knows_shape_and_classes_and_decodes_no_image(
    document: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = dict.fromkeys(some_images(), b"not an image")
    for path in (write_zip(tmp_path / "z.zip", files), write_folder(tmp_path / "z", files)):
        assert main(["check", str(document), "--dataset", str(path), "--image-size", "32", "--json"]) == 0
        blocks = json.loads(capsys.readouterr().out)["blocks"]
        assert (blocks[0]["input"], blocks[-1]["output"]) == ([3, 32, 32], [2])
    assert main(["check", str(document), "--dataset", str(path), "--grey", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["blocks"][0]["input"] == [1, 64, 64]
    assert main(["starters", "show", "mlp", "--dataset", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["blocks"][-1]["params"]["out_features"] == 2


def test_train_imports_once_and_tells_what_was_left_out(
    source: Path, document: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", str(document), "--dataset", str(source), "--image-size", "32", "--data-dir", str(tmp_path)]
    results = []
    for _ in range(2):
        assert main([*command, "--json", "--epochs", "1", "--batch-size", "8"]) == 0
        shown = capsys.readouterr()
        results.append(json.loads(shown.out))
        assert "scv: 50 training images and 12 test images.\n" in shown.err
        assert "the same image once more: 1 (set/upright stripes/again.png).\n" in shown.err
        assert "images that cannot be read: 1 (set/upright stripes/torn.png).\n" in shown.err
        (kept,) = (tmp_path / "datasets").glob("pictures-*")
        written = (kept / "train_images.npy").stat()
    assert results[0]["dataset_hash"] == results[1]["dataset_hash"]
    assert written.st_mtime_ns < (tmp_path / "trained").stat().st_mtime_ns


@pytest.mark.parametrize(
    ("options", "folder", "more"),
    [
        (("--fit", "crop"), False, ()),
        (("--fit", "stretch"), False, None),
        (("--fit", "pad", "--grey"), True, ("--train-percent", "60", "--validation-percent", "50")),
    ],
)
def test_the_script_loads_the_same_images_and_trains_to_the_same(
    options: tuple[str, ...],
    folder: bool,
    more: tuple[str, ...] | None,
    source: Path,
    document: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = some_images() if more is None else parted_images()  # with images for validation
    if folder:
        source = write_folder(tmp_path / 'it\'s a "folder" 강', files)
    elif more is not None:
        source = write_zip(tmp_path / "parted.zip", files)
    options = ("--dataset", str(source), "--image-size", "32", *options)
    training = ("--epochs", "5", "--seed", "2", "--lr", "0.003", "--batch-size", "8", *(more or ()))
    assert main(["train", str(document), *options, *training, "--data-dir", str(tmp_path), "--json"]) == 0
    ours = json.loads(capsys.readouterr().out)
    script = tmp_path / "alone" / "model.py"
    script.parent.mkdir()
    assert main(["code", str(document), *options, *training, "-o", str(script)]) == 0

    shown = alone(script, "--device", "cpu")
    tested = re.search(r"test loss ([\d.]+), test accuracy ([\d.]+)%", shown)
    assert tested is not None
    assert float(tested[2]) / 100 == pytest.approx(ours["test_accuracy"], abs=1.5 / 12)
    assert float(tested[1]) == pytest.approx(ours["test_loss"], abs=0.01)
    epochs = re.findall(r"validation loss ([\d.]+)", shown)
    expected = [metrics["validation_loss"] for metrics in history(Path(ours["weights"]).parent)]
    assert [float(loss) for loss in epochs] == pytest.approx(expected, abs=0.01)

    chosen = ImageOptions(size=32, color="--grey" not in options, fit=options[5])  # type: ignore[arg-type]
    resident, _ = prepare_images(tmp_path, source, chosen)
    code = (
        "import sys, numpy, model\n"
        "for name, part in zip('abcde', model.load_data(sys.argv[1])): numpy.save(name, part.numpy())"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code, str(source)], cwd=script.parent, check=True)
    for name, array in zip(
        "abcd",
        (resident.train_images, resident.train_labels, resident.test_images, resident.test_labels),
        strict=True,
    ):
        loaded = np.load(script.parent / f"{name}.npy")
        assert loaded.dtype == array.dtype
        assert np.array_equal(loaded, array)
    assert (script.parent / "e.npy").exists() == (more is not None) == (resident.own_validation is not None)
    if resident.own_validation is not None:
        assert np.load(script.parent / "e.npy").nonzero()[0].tolist() == resident.own_validation.tolist()
        assert len(resident.own_validation) == 12


def test_images_for_validation_are_all_that_validate(
    document: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_zip(tmp_path / "z.zip", parted_images())
    command = ["train", str(document), "--dataset", str(source), "--image-size", "32", "--data-dir", str(tmp_path)]
    assert main([*command, "--json", "--epochs", "1", "--batch-size", "8", "--validation-percent", "50"]) == 0
    shown = capsys.readouterr()

    assert "scv: 38 training, 12 validation and 12 test images.\n" in shown.err
    epoch = history(Path(json.loads(shown.out)["weights"]).parent)[0]
    assert epoch["validation_accuracy"] * 12 == pytest.approx(round(epoch["validation_accuracy"] * 12))


def test_the_notebook_does_what_the_script_does_with_images_for_validation(document: Path, tmp_path: Path) -> None:
    source = write_zip(tmp_path / "z.zip", parted_images())
    options = ("--dataset", str(source), "--image-size", "32", "--epochs", "2", "--batch-size", "8")
    (tmp_path / "alone").mkdir()
    for name, kind in (("model.py", ()), ("model.ipynb", ("--notebook",))):
        assert main(["code", str(document), *options, *kind, "-o", str(tmp_path / "alone" / name)]) == 0
    runner = tmp_path / "alone" / "cells.py"
    runner.write_text(RUNNER)
    told = alone(runner, "model.ipynb")

    assert scores(told) == scores(alone(tmp_path / "alone" / "model.py"))
    assert "38 images to train, 12 to validate, 12 to test" in told
    assert "those that the dataset has for validation are held out" in (tmp_path / "alone" / "model.ipynb").read_text()


def test_a_script_for_images_for_validation_says_where_there_are_none(
    source: Path, document: Path, tmp_path: Path
) -> None:
    script = tmp_path / "model.py"
    parted = write_zip(tmp_path / "z.zip", parted_images())
    assert main(["code", str(document), "--dataset", str(parted), "--image-size", "32", "-o", str(script)]) == 0
    command = [sys.executable, script.name, "--data", str(source)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (1, "There is no readable validation image.\n")


def test_the_notebook_loads_from_the_same_place(source: Path, document: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.ipynb"
    assert main(["code", str(document), "--dataset", str(source), "--notebook", "-o", str(path)]) == 0
    cells = ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    for cell in cells:
        compile(cell, "cell", "exec")
    assert f'DATA = "{source}"' in "\n".join(cells)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dataset", "nowhere.zip"), "nowhere.zip is not there"),
        (("--dataset", "./nowhere"), "./nowhere is not there"),
        (("--dataset", "minst"), "There is no dataset named 'minst'"),
        (("--dataset", "mnist", "--image-size", "32"), "--image-size is for your own images"),
        (("--dataset", "mnist", "--grey"), "--color or --grey is for your own images"),
        (("--dataset", "mnist", "--fit", "pad"), "--fit is for your own images"),
    ],
)
@pytest.mark.parametrize("command", ["check", "code", "train"])
def test_what_cannot_be_meant_is_misuse(
    command: str,
    arguments: tuple[str, ...],
    message: str,
    document: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([command, str(document), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [document]


@pytest.mark.parametrize("command", ["check", "code", "train"])
def test_bad_images_are_one_line_and_leave_nothing(
    command: str, document: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCV_DATA_DIR", str(tmp_path / "data"))
    path = write_zip(tmp_path / "z.zip", classes(2, 5))
    link = zipfile.ZipInfo("a/link\n.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")

    for extra, message in (((), "a/link\ufffd.png is a link"), (("--image-size", "9"), "28 to 224 pixels")):
        assert main([command, str(document), "--dataset", str(path), *extra]) == 1
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_a_dataset_that_can_be_listed_but_not_read_leaves_nothing(
    document: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_zip(tmp_path / "z.zip", dict.fromkeys(classes(2, 5), b"torn"))
    data = tmp_path / "data"
    assert main(["train", str(document), "--dataset", str(path), "--data-dir", str(data)]) == 1
    assert "The class a needs 5 images that can be read; 0 were found" in capsys.readouterr().err
    assert [path for path in data.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_an_official_name_wins_over_a_folder_of_that_name(
    document: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "mnist", classes(2, 5))
    monkeypatch.chdir(tmp_path)
    for name, classes_there in (("mnist", 10), ("./mnist", 2)):
        main(["check", str(document), "--dataset", name, "--json"])
        problems = json.loads(capsys.readouterr().out)["blocks"][-1]["problems"]
        assert any("10" in problem["message"] for problem in problems) == (classes_there == 10)
