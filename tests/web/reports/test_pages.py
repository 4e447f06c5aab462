"""The report's page: whose it is, what it says in each state, and that nothing stored makes it fail."""

import re
import shutil
from pathlib import Path

import msgspec
import pytest

from scv.db import tasks
from scv.db.runs import request_report
from scv.db.tables import Run, Task
from scv.files import report_folder, weights_key
from scv.jobs.open_dataset import images_of
from scv.message import say
from scv.ml.report.report import make_report
from scv.report.contents import CONTENTS, Contents, FailedSection, SectionState, file_of
from scv.stage import Stage
from tests.ml.reported import unlearned
from tests.web.conftest import GOOD, Visitor, add_run, add_version, sign_in_as_somebody


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a network that was never trained: it makes mistakes of every kind."""
    folder = tmp_path_factory.mktemp("made")
    resident = images_of(folder, "digits")
    make_report(unlearned(GOOD, resident), resident, folder / "report", threads=1)
    return folder / "report"


async def run_with(owner: Visitor, report: Path | None = None, status: str = "finished") -> Run:
    """A run with weights, and with this report."""
    columns = {"status": status, "weights": None}
    if status == "finished":
        columns |= {"test_accuracy": 0.9, "test_loss": 0.3, "best_epoch": 1, "seconds": 1.0, "parameters": 10}
    run = await add_run(owner, await add_version(owner), **columns)
    files = owner.services.files
    files.folder(report_folder(run.id).rpartition("/")[0])
    files.path(weights_key(run.id)).write_bytes(b"weights")
    if report is not None:
        shutil.copytree(report, files.path(report_folder(run.id)))
    return run


async def report_of(owner: Visitor, run: Run) -> Task | None:
    """The task of the run's report."""
    async with owner.database.reading() as session:
        return await tasks.find(session, "report", str(run.id))


async def is_wanted(owner: Visitor, run: Run) -> bool:
    task = await report_of(owner, run)
    return task is not None and task.active


async def take_report(owner: Visitor, run: Run) -> tuple[Task, str]:
    """A worker has taken the run's report."""
    async with owner.database.writing() as session:
        await request_report(session, run.id)
        task = await tasks.take(session, ["report"], 60)
    assert task is not None
    return task, task.lease_token or ""


def folder_of(owner: Visitor, run: Run) -> Path:
    return owner.services.files.path(report_folder(run.id))


async def test_a_complete_report_shows_every_section(owner: Visitor, made: Path) -> None:
    run = await run_with(owner, made)
    page = await owner.get(f"/runs/{run.id}/report")
    assert page.status_code == 200
    contents = msgspec.json.decode((made / CONTENTS).read_bytes(), type=Contents)
    for state in contents.sections:
        assert f'id="part-{state.name}"' in page.text
    assert "The report is complete" in page.text
    assert "damaged" not in page.text


async def test_a_report_is_shown_to_its_owner_alone(owner: Visitor, made: Path) -> None:
    run = await run_with(owner, made)
    await sign_in_as_somebody(owner)
    for path in ("report", "report/state", "report/files/metrics-cells.png", "report.html"):
        assert (await owner.get(f"/runs/{run.id}/{path}")).status_code == 404
    for path in ("make", "stop"):
        assert (await owner.post(f"/runs/{run.id}/report/{path}", {})).status_code == 404


async def test_images_are_given_by_their_plain_names_only(owner: Visitor, made: Path) -> None:
    run = await run_with(owner, made)
    answer = await owner.get(f"/runs/{run.id}/report/files/metrics-cells.png")
    assert answer.headers["content-type"] == "image/png"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.content == (made / "metrics-cells.png").read_bytes()
    names = (
        "no.png",
        "..%2F..%2Fweights.safetensors",
        "report.json",
        "underway.json",
        ".metrics.json",
        "%00.png",
        "a" * 300,
    )
    for name in names:
        assert (await owner.get(f"/runs/{run.id}/report/files/{name}")).status_code == 404


async def test_a_cell_of_the_matrix_opens_its_images(owner: Visitor, made: Path) -> None:
    run = await run_with(owner, made)
    page = await owner.get(f"/runs/{run.id}/report?cell=0-0")
    without = await owner.get(f"/runs/{run.id}/report")
    cells = msgspec.json.decode((made / file_of("metrics")).read_bytes())["confusion"]["cells"]
    assert (' id="cell"' in page.text) == any(cell["label"] == cell["predicted"] == 0 for cell in cells)
    assert ' id="cell"' not in without.text
    first = cells[0]
    page = await owner.get(f"/runs/{run.id}/report?cell={first['label']}-{first['predicted']}")
    assert page.text.count("Test image") > without.text.count("Test image")


@pytest.mark.parametrize(
    "query",
    ["cell=9-99", "cell=x", "cell=%00", "of=77", "of=-1", "of=3&order=f1&down=yes", "order=nonsense", "shares=yes",
     "layer=99&channel=9999", "layer=%EF%BC%91", "have=%F0%9F%92%A9", "x=" + "y" * 5000, "cell=1-1&cell=2-2"],
)  # fmt: skip
async def test_whatever_an_address_asks_for_there_is_a_page(owner: Visitor, made: Path, query: str) -> None:
    run = await run_with(owner, made)
    for path in ("report", "report/state"):
        answer = await owner.get(f"/runs/{run.id}/{path}?{query}")
        assert answer.status_code == 200
        assert "damaged" not in answer.text


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"state": "failed"}', b'{"sentences": 3}'])
async def test_damaged_files_never_break_the_page(owner: Visitor, made: Path, content: bytes) -> None:
    run = await run_with(owner, made)
    folder = folder_of(owner, run)
    for state in msgspec.json.decode((made / CONTENTS).read_bytes(), type=Contents).sections:
        (folder / file_of(state.name)).write_bytes(content)
    answer = await owner.get(f"/runs/{run.id}/report")
    assert answer.status_code == 200
    assert "damaged" in answer.text
    assert (await owner.get(f"/runs/{run.id}/report.html")).status_code == 200
    (folder / CONTENTS).write_bytes(content)
    assert (await owner.get(f"/runs/{run.id}/report")).status_code == 200
    assert (await owner.get(f"/runs/{run.id}/report.html")).status_code == 404


async def test_figures_that_contradict_each_other_harm_their_own_section_only(owner: Visitor, made: Path) -> None:
    run = await run_with(owner, made)
    path = folder_of(owner, run) / file_of("metrics")
    figures = msgspec.json.decode(path.read_bytes())
    figures["confusion"]["counts"] = [[1]]
    path.write_bytes(msgspec.json.encode(figures))
    answer = await owner.get(f"/runs/{run.id}/report")
    assert answer.text.count("is damaged") == 1
    assert "layer-table" in answer.text


async def test_a_section_that_failed_says_why_and_can_be_tried_again(owner: Visitor, made: Path) -> None:
    run = await run_with(owner, made)
    folder = folder_of(owner, run)
    contents = msgspec.json.decode((made / CONTENTS).read_bytes(), type=Contents)
    states = tuple(
        SectionState(one.name, one.title, "failed") if one.name == "labels" else one for one in contents.sections
    )
    (folder / CONTENTS).write_bytes(msgspec.json.encode(msgspec.structs.replace(contents, sections=states)))
    failed = FailedSection(say("The memory is too small for this part of the report."), "MemoryError: /secret/place")
    (folder / file_of("labels")).write_bytes(msgspec.json.encode(failed))
    page = await owner.get(f"/runs/{run.id}/report")
    assert "The memory is too small for this part of the report." in page.text
    assert "/secret/place" not in page.text
    assert "Try what failed again" in page.text
    await owner.post(f"/runs/{run.id}/report/make", {})
    assert await is_wanted(owner, run)


async def test_a_finished_run_is_reported_on_when_somebody_looks_and_says_that_the_broker_is_away(
    owner: Visitor,
) -> None:
    run = await run_with(owner)
    page = await owner.get(f"/runs/{run.id}/report")
    assert page.status_code == 200
    assert "is in the queue" in page.text
    assert 'role="alert"' in page.text
    assert await is_wanted(owner, run)


async def test_a_stopped_run_is_reported_on_only_when_that_is_wished_and_can_be_stopped(owner: Visitor) -> None:
    run = await run_with(owner, status="stopped")
    page = await owner.get(f"/runs/{run.id}/report")
    assert "Make the report" in page.text
    assert not await is_wanted(owner, run)
    await owner.post(f"/runs/{run.id}/report/make", {})
    assert await is_wanted(owner, run)
    page = await owner.post(f"/runs/{run.id}/report/stop", {})
    assert "The report was stopped" in page.text
    task = await report_of(owner, run)
    assert task is not None
    assert task.state == "stopped"
    await owner.post(f"/runs/{run.id}/report/make", {})
    assert await is_wanted(owner, run)


async def test_a_report_that_failed_says_why_and_can_be_tried_again(owner: Visitor) -> None:
    run = await run_with(owner)
    task, token = await take_report(owner, run)
    async with owner.database.writing() as session:
        why = say("The images of {dataset} do not fit the network.", dataset="Digits")
        await tasks.end(session, task.id, token, "failed", why)
    page = await owner.get(f"/runs/{run.id}/report")
    assert "The images of Digits do not fit the network." in page.text
    assert "Try again" in page.text
    assert not await is_wanted(owner, run)
    await owner.post(f"/runs/{run.id}/report/make", {})
    assert await is_wanted(owner, run)


async def test_a_report_that_is_being_made_shows_its_section_and_its_share(owner: Visitor, made: Path) -> None:
    run = await run_with(owner, made)
    contents = msgspec.json.decode((made / CONTENTS).read_bytes(), type=Contents)
    states = tuple(
        SectionState(one.name, one.title, "working") if one.name == "labels" else one for one in contents.sections
    )
    path = folder_of(owner, run) / CONTENTS
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(contents, sections=states)))
    assert "interrupted" in (await owner.get(f"/runs/{run.id}/report")).text
    task, token = await take_report(owner, run)
    async with owner.database.writing() as session:
        stage = Stage(say("Labels that may be wrong"), 300, 1000, "share")
        await tasks.renew(session, task.id, token, 60, stage, 0.62, 75.0)
    page = (await owner.get(f"/runs/{run.id}/report/state?planned=yes", target="report-state")).text
    for text in ("The report is being made", 'value="62"', "62%", "1 min 15 s left", "delay:1s", 'id="stop-report"'):
        assert text in page
    assert re.search(r'id="to-labels".*?30%', page, re.S)
    assert "300 of 1,000" not in page


async def test_a_run_without_weights_has_no_report(owner: Visitor) -> None:
    run = await add_run(owner, await add_version(owner), status="failed")
    assert "no weights" in (await owner.get(f"/runs/{run.id}/report")).text
    assert (await owner.post(f"/runs/{run.id}/report/make", {})).status_code == 422
    assert (await owner.get(f"/runs/{run.id}/report.html")).status_code == 404


async def test_news_hold_only_what_the_page_does_not_have_yet(owner: Visitor, made: Path) -> None:
    run = await run_with(owner, made)
    news = (
        await owner.get(f"/runs/{run.id}/report/state?planned=yes&have=summary.metrics", target="report-state")
    ).text
    assert 'id="part-layers"' in news
    assert 'id="part-metrics"' not in news
    assert "<html" not in news


async def test_a_page_from_before_the_plan_gets_room_for_all_sections(owner: Visitor, made: Path) -> None:
    run = await run_with(owner)
    early = (await owner.get(f"/runs/{run.id}/report")).text
    assert "planned=yes" not in early
    assert 'id="parts-list"' in early
    shutil.copytree(made, folder_of(owner, run), dirs_exist_ok=True)
    news = (await owner.get(f"/runs/{run.id}/report/state?have=", target="report-state")).text
    assert 'id="parts-list" class="parts" hx-swap-oob="true"' in news
    assert news.count(' id="part-') == len(msgspec.json.decode((made / CONTENTS).read_bytes(), type=Contents).sections)
    assert "planned=yes" in news


async def test_making_it_anew_throws_away_what_is_there(owner: Visitor, made: Path) -> None:
    run = await run_with(owner, made)
    await owner.post(f"/runs/{run.id}/report/make", {"anew": "yes"})
    assert not (folder_of(owner, run) / file_of("metrics")).exists()
    assert await is_wanted(owner, run)


async def test_the_file_is_a_download_that_needs_no_server(owner: Visitor, made: Path) -> None:
    run = await run_with(owner, made)
    answer = await owner.get(f"/runs/{run.id}/report.html")
    assert answer.headers["content-disposition"] == f'attachment; filename="digit-reader-run-{run.id}-report.html"'
    assert "<script" not in answer.text
    assert "/runs/" not in answer.text
    assert "/static/" not in answer.text
