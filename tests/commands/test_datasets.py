"""`scv datasets`: what is listed can be fetched or imported, and what cannot says why in one line."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scv.__main__ import main
from scv.data.official.catalogue import DATASETS
from scv.data.resident import is_prepared
from scv.settings import ROOT
from tests.ml.conftest import MNIST_FILES

NOWHERE = "http://127.0.0.1:9"


def test_the_list_names_every_dataset_and_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "fetch", "digits", "--data-dir", str(tmp_path)]) == 0
    assert "digits is ready: 1,442 + 355 images, 1 × 8 × 8, 10 classes, sha256:" in capsys.readouterr().out
    assert main(["datasets", "list", "--json", "--data-dir", str(tmp_path)]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == list(DATASETS)
    assert [name for name, row in rows.items() if row["ready"]] == ["digits"]
    assert rows["digits"]["missing"] == []
    assert rows["svhn"]["missing"] == ["train_32x32.mat", "test_32x32.mat"]
    assert main(["datasets", "list", "--data-dir", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("  ready")
    assert lines[3].endswith("10 classes   50,000 + 10,000 images  downloaded when first used, 170 MB")
    assert len({line.index("classes") for line in lines}) == 1


def test_mnist_is_imported_from_where_its_files_lie(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    for file in MNIST_FILES.iterdir():
        (stick / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), 1))
    data_dir = tmp_path / "data"
    arguments = ["datasets", "import", "mnist", str(stick), "--data-dir", str(data_dir)]
    assert main(arguments) == 0
    done = capsys.readouterr()
    assert done.out.startswith("mnist is ready: 60,000 + 10,000 images, 1 × 28 × 28, 10 classes, sha256:")
    assert done.err.splitlines() == ["Unpacking MNIST …", "Converting MNIST …"]
    assert is_prepared(data_dir, "mnist")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["fetch", "svhn", "--mirror", NOWHERE], 1, "put the files train_32x32.mat, test_32x32.mat into"),
        (["fetch", "minst"], 2, "There is no dataset named 'minst'"),
        (["fetch", "svhn", "--mirror", "file:///tmp"], 2, "begins with https://"),
        (["import", "svhn", "nowhere"], 2, "There is no file or folder nowhere"),
        (["import", "digits", "."], 2, "comes with SCV"),
        (["import", "svhn", "README.md"], 1, "README.md is none of the files of SVHN, and no archive"),
        (["import", "fashion-mnist", str(MNIST_FILES)], 1, "belongs to MNIST, not to Fashion-MNIST"),
    ],
)
def test_what_goes_wrong_is_one_line(arguments: list[str], status: int, said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scv", "datasets", *arguments, "--data-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    *stages, last = done.stderr.splitlines()
    assert done.returncode == status
    assert said in last
    assert last.startswith("scv: ")
    assert all(stage.endswith(" …") for stage in stages)
    assert done.stdout == ""
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"] == []
