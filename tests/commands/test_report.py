"""`scv report`: one HTML file that needs nothing else, in either language."""

import json
import re
from pathlib import Path

import pytest

from scv.__main__ import main
from tests.commands.test_documents import LENET


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data folder, and the weights of a network that was trained in it."""
    data_dir = tmp_path_factory.mktemp("data")
    document = data_dir / "lenet.json"
    document.write_text(json.dumps(LENET))
    assert main(["train", str(document), "--dataset", "digits", "--data-dir", str(data_dir), "--epochs", "2"]) == 0
    return data_dir, next((data_dir / "trained").glob("*/weights.safetensors"))


def test_the_file_holds_all_sections_and_asks_for_nothing_outside(trained: tuple[Path, Path], tmp_path: Path) -> None:
    data_dir, weights = trained
    file = tmp_path / "report.html"
    assert main(["report", str(weights), "-o", str(file), "--data-dir", str(data_dir), "--language", "ko"]) == 0
    text = file.read_text()
    assert '<html lang="ko">' in text
    for name in ("summary", "metrics", "mistakes", "labels", "layers", "activation", "attribution", "parity"):
        assert f'id="part-{name}"' in text
    assert "<script" not in text
    addresses = re.findall(r'\b(?:href|src|action)="([^"]{1,40})', text)
    assert addresses
    assert {address for address in addresses if not address.startswith(("#", "data:image/png;base64,"))} == set()
    assert 'data:,"' not in text  # no image is missing
    assert not re.search(r"url\(|@import", text)


def test_every_reference_within_the_file_leads_somewhere(trained: tuple[Path, Path], tmp_path: Path) -> None:
    data_dir, weights = trained
    file = tmp_path / "report.html"
    assert main(["report", str(weights), "-o", str(file), "--data-dir", str(data_dir)]) == 0
    text = file.read_text()
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)
    assert len(ids) == len(set(ids))


def test_what_cannot_be_done_is_one_line_and_writes_nothing(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir, weights = trained
    file = tmp_path / "report.html"
    assert main(["report", "99", "-o", str(file), "--data-dir", str(data_dir)]) == 2
    assert main(["report", str(weights), "-o", str(tmp_path / "no" / "r.html"), "--data-dir", str(data_dir)]) == 2
    assert main(["report", str(weights), "-o", str(tmp_path), "--data-dir", str(data_dir)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
    assert list(tmp_path.iterdir()) == []
