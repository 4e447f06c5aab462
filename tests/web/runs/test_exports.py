"""What is taken away from a run: each file as it comes through the web, of a network that was really trained."""

import csv
import json
import re
from io import StringIO
from pathlib import Path

import msgspec
import nbformat
import numpy as np
import onnxruntime
import pytest
import torch

from scv.blocks.document import encode
from scv.data.resident import Resident
from scv.db.runs import result_of
from scv.db.tables import EpochMetric, Run
from scv.export.tables import as_json
from scv.files import report_folder, weights_key
from scv.message import say
from scv.ml.prepare_official import prepare
from scv.ml.report.report import SECTIONS, make_report
from scv.ml.train.train import WEIGHTS
from scv.ml.trained import load_trained
from scv.report.contents import FailedSection
from scv.report.metrics import Metrics
from scv.report.parity import Parity
from tests.ml.conftest import document
from tests.ml.reported import learned
from tests.web.conftest import Visitor, add_run, add_version, sign_in_as_somebody

NETWORK = document(("Conv2d", {"out_channels": 4}), "ReLU", "Flatten", ("Linear", {"out_features": 10}))
TABLES = ("epochs", "result", "classes", "confusion")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Resident:
    return prepare(tmp_path_factory.mktemp("digits"), "digits")


@pytest.fixture(scope="module")
def trained(digits: Resident, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run: its weights, and the sections of its report that are taken away."""
    folder = tmp_path_factory.mktemp("run")
    network = learned(NETWORK, digits, folder, epochs=2)
    wanted = tuple(section for section in SECTIONS if section.name in ("metrics", "parity"))
    make_report(network, digits, folder / "report", sections=wanted)
    return folder


async def finished(visitor: Visitor, trained: Path | None, name: str = "Digit reader") -> Run:
    """A run that has ended, with the folder of one that was trained."""
    version = await add_version(visitor, NETWORK, name=name)
    key = weights_key(1) if trained else None
    run = await add_run(
        visitor,
        version,
        status="finished",
        test_accuracy=0.9,
        test_loss=0.25,
        best_epoch=2,
        seconds=3.5,
        parameters=7,
        device="cpu",
        libraries={"torch": "2"},
        weights=key,
    )
    async with visitor.database.writing() as session:
        for epoch in (1, 2):
            session.add(
                EpochMetric(
                    run_id=run.id,
                    epoch=epoch,
                    train_loss=1 / 3,
                    train_accuracy=0.5,
                    validation_loss=0.7,
                    validation_accuracy=0.6 + epoch / 10,
                    seconds=1.5,
                    best=True,
                )
            )
    if trained:
        assert run.id == 1
        folder = visitor.services.files.folder("runs/1")
        (folder / WEIGHTS).write_bytes((trained / WEIGHTS).read_bytes())
        (folder / "report").symlink_to(trained / "report")
    return run


def report_of(visitor: Visitor, run: Run) -> Path:
    return visitor.services.files.path(report_folder(run.id))


def rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(StringIO(content.decode("utf-8-sig"))))


async def test_every_file_on_the_runs_page_can_be_taken_away_under_a_fitting_name(
    owner: Visitor, trained: Path
) -> None:
    await finished(owner, trained)
    page = await owner.get("/runs/1")
    panel = page.text[page.text.index('id="takeaway"') :]
    links = re.findall(r'<a class="btn" href="(/runs/1/[^"]+)" download', panel)
    assert len(links) == 4 + 2 * len(TABLES) + 1
    types = {
        "csv": "text/csv; charset=utf-8",
        "json": "application/json",
        "onnx": "application/octet-stream",
        "safetensors": "application/octet-stream",
        "py": "text/x-python",
        "ipynb": "application/x-ipynb+json",
    }
    names = set()
    for link in links:
        answer = await owner.get(link)
        assert answer.status_code == 200, link
        assert answer.headers["x-content-type-options"] == "nosniff"
        found = re.fullmatch(
            r'attachment; filename="(digit-reader[-a-z0-9]*\.(\w+))"', answer.headers["content-disposition"]
        )
        assert found, answer.headers["content-disposition"]
        assert answer.headers["content-type"].startswith(types[found[2]]), link
        names.add(found[1])
    assert len(names) == len(links), "two files of one name"


async def test_the_onnx_file_that_comes_through_the_web_answers_as_the_network_does(
    owner: Visitor, trained: Path, digits: Resident
) -> None:
    run = await finished(owner, trained)
    answer = await owner.get("/runs/1/files/network.onnx")
    assert answer.content == (report_of(owner, run) / "network.onnx").read_bytes()

    session = onnxruntime.InferenceSession(answer.content, providers=["CPUExecutionProvider"])
    pixels = np.array(digits.test_images)
    (given,) = session.get_inputs()
    pixels_of_its_type = pixels.astype(np.float32) if "float" in given.type else pixels
    theirs = session.run(None, {given.name: pixels_of_its_type})[0]
    with torch.inference_mode():
        ours = load_trained(trained / WEIGHTS).logits(torch.from_numpy(pixels)).numpy()
    assert (theirs.argmax(1) == ours.argmax(1)).all()
    np.testing.assert_allclose(theirs, ours, atol=1e-4)


async def test_the_weights_come_byte_for_byte(owner: Visitor, trained: Path, tmp_path: Path) -> None:
    await finished(owner, trained)
    answer = await owner.get("/runs/1/weights.safetensors")
    assert answer.content == (trained / WEIGHTS).read_bytes()
    (tmp_path / "taken").write_bytes(answer.content)
    assert encode(load_trained(tmp_path / "taken").info.document) == encode(NETWORK)


async def test_the_certificate_is_that_of_the_report(owner: Visitor, trained: Path) -> None:
    run = await finished(owner, trained)
    answer = await owner.get("/runs/1/files/certificate.json")
    made = msgspec.json.decode((report_of(owner, run) / "parity.json").read_bytes(), type=Parity)
    assert answer.content == as_json(made)
    assert made.ok
    assert msgspec.json.decode(answer.content, type=Parity) == made


async def test_the_notebook_is_one(owner: Visitor, trained: Path) -> None:
    await finished(owner, trained)
    answer = await owner.get("/runs/1/files/notebook.ipynb")
    nbformat.validate(nbformat.reads(answer.text, as_version=4))
    assert "nn.Conv2d" in answer.text


async def test_the_tables_hold_the_figures_of_run_and_report(owner: Visitor, trained: Path) -> None:
    run = await finished(owner, trained)
    figures = msgspec.json.decode((report_of(owner, run) / "metrics.json").read_bytes(), type=Metrics)
    content = {
        f"{name}.{form}": (await owner.get(f"/runs/1/files/{name}.{form}")).content
        for name in TABLES
        for form in ("csv", "json")
    }
    names = [row.name for row in figures.classes]

    matrix = rows(content["confusion.csv"])
    assert matrix[0][1:] == names
    assert [tuple(map(int, row[1:])) for row in matrix[1:]] == [tuple(row) for row in figures.confusion.counts]
    assert json.loads(content["confusion.json"])["matrix"] == [list(row) for row in figures.confusion.counts]
    assert sum(map(sum, figures.confusion.counts)) == figures.images

    classes = rows(content["classes.csv"])
    assert classes[0] == ["class", "support", "predicted", "right", "precision", "recall", "f1"]
    for written, plain, one in zip(classes[1:], json.loads(content["classes.json"]), figures.classes, strict=True):
        assert written[0] == plain["class"] == one.name
        assert int(written[1]) == plain["support"] == one.support
        assert (float(written[6]) if written[6] else None) == plain["f1"] == one.f1

    epochs = rows(content["epochs.csv"])
    assert [row[0] for row in epochs[1:]] == ["1", "2"]
    assert float(epochs[1][1]) == 1 / 3
    assert [epoch["validation_accuracy"] for epoch in json.loads(content["epochs.json"])] == [0.7, 0.8]

    result = json.loads(content["result.json"])
    assert (result["test_accuracy"], result["validation_accuracy"], result["epochs"]) == (0.9, 0.8, 2)
    assert ["test_accuracy", "0.9"] in rows(content["result.csv"])


async def test_what_is_not_made_yet_is_said_and_offered_once_it_is(owner: Visitor, trained: Path) -> None:
    await finished(owner, trained)
    report = owner.services.files.path(report_folder(1))
    report.unlink()
    page = (await owner.get("/runs/1")).text
    assert "files/network.onnx" not in page
    assert "files/certificate.json" not in page
    assert "It is made together with the report." in page
    for name in ("network.onnx", "certificate.json", "classes.csv", "confusion.json"):
        answer = await owner.get(f"/runs/1/files/{name}")
        assert answer.status_code == 404
        assert "Traceback" not in answer.text
    report.symlink_to(trained / "report")
    page = (await owner.get("/runs/1")).text
    assert "files/network.onnx" in page
    assert "It is made together with the report." not in page


async def test_where_there_can_be_no_onnx_file_the_reason_is_said(owner: Visitor, trained: Path) -> None:
    await finished(owner, trained)
    report = owner.services.files.path(report_folder(1))
    report.unlink()
    report.mkdir()
    for name in ("report.json", "metrics.json"):
        (report / name).write_bytes((trained / "report" / name).read_bytes())
    made = msgspec.json.decode((trained / "report" / "parity.json").read_bytes(), type=Parity)
    without = msgspec.structs.replace(made, onnx=None, pairs=made.pairs[:1], problem=say("ONNX knows no such block."))
    (report / "parity.json").write_bytes(msgspec.json.encode(without))
    assert "ONNX knows no such block." in (await owner.get("/runs/1")).text


async def test_a_section_that_failed_or_is_torn_is_no_file(owner: Visitor, trained: Path) -> None:
    await finished(owner, trained)
    report = owner.services.files.path(report_folder(1))
    report.unlink()
    report.mkdir()
    (report / "metrics.json").write_bytes(msgspec.json.encode(FailedSection(say("No."), "ValueError")))
    (report / "parity.json").write_bytes(b'{"pairs": [')
    (report / "report.json").write_bytes(b"{")
    for name in ("classes.csv", "confusion.csv", "certificate.json"):
        assert (await owner.get(f"/runs/1/files/{name}")).status_code == 404
    assert (await owner.get("/runs/1")).status_code == 200


async def test_names_that_are_no_files_are_not_found(owner: Visitor, trained: Path) -> None:
    await finished(owner, trained)
    for name in (
        "report.json",
        "weights.safetensors",
        "epochs.xml",
        "epochs",
        ".csv",
        "%2e%2e%2fscv.sqlite3",
        "x" * 500,
    ):
        assert (await owner.get(f"/runs/1/files/{name}")).status_code == 404, name


async def test_a_run_that_failed_at_once_offers_its_code_alone(owner: Visitor) -> None:
    version = await add_version(owner, NETWORK)
    run = await add_run(owner, version, status="failed", failure_code="internal")
    panel = (await owner.get(f"/runs/{run.id}")).text
    links = re.findall(rf'href="(/runs/{run.id}/[^"]+)" download', panel)
    assert links == [f"/runs/{run.id}/script.py", f"/runs/{run.id}/files/notebook.ipynb"]
    for name in TABLES:
        assert (await owner.get(f"/runs/{run.id}/files/{name}.csv")).status_code == 404


async def test_only_its_owner_takes_anything_away(owner: Visitor, trained: Path) -> None:
    await finished(owner, trained)
    names = ["network.onnx", "notebook.ipynb", "certificate.json", *(f"{name}.csv" for name in TABLES)]
    await sign_in_as_somebody(owner)
    for name in names:
        answer = await owner.get(f"/runs/1/files/{name}")
        assert answer.status_code == 404, name
        assert "digit-reader" not in str(answer.headers)


async def test_a_name_in_another_script_still_makes_a_file_name(owner: Visitor, trained: Path) -> None:
    await finished(owner, trained, name='숫자 "읽기"\n; x=1')
    answer = await owner.get("/runs/1/files/epochs.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="x-1-run-1-epochs.csv"'


def test_the_result_is_that_of_finished_runs_only() -> None:
    assert result_of(Run(id=1, status="stopped", best_epoch=1, metrics=[])) is None


async def test_the_reports_page_offers_the_same(owner: Visitor, trained: Path) -> None:
    await finished(owner, trained)
    run, report = (await owner.get("/runs/1")).text, (await owner.get("/runs/1/report")).text
    offered = [re.findall(r'<a class="btn" href="(/runs/1/[^"]+)" download', page) for page in (run, report)]
    assert offered[0]
    assert set(offered[0]) <= set(offered[1])
    assert report.count('id="takeaway"') == 1
