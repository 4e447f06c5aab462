"""Every page of what the folder holds, to whom it belongs and to others."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import urljoin, urlsplit

import httpx

from scv.db.tables import Version
from scv.files import report_folder
from tests.data_folder.conftest import be
from tests.data_folder.folder import LINK, OWNER, SECOND, tables_of
from tests.web.conftest import Visitor

LEFT_OUT = re.compile(
    r"/events$|/starters$|/report/files/|^/models/new|^/datasets/digits/|^/datasets/[^/]+/images/|^/static/"
)
"""What does not end, what is not of the folder, and images of which there are many of the same kind."""

DATASETS = {"1": ("/datasets/own/1", "/datasets/own/3/collect", "/datasets/own/6"), "2": ("/datasets/own/2",)}
"""Pages of a user's own datasets."""

OF_THE_OWNER = (
    "/models/1/versions/1",
    "/models/1/versions/1/script.py",
    "/runs/1",
    "/runs/1/report",
    "/runs/1/report.html",
    "/runs/1/weights.safetensors",
    "/runs/1/files/network.onnx",
    "/datasets/own/1",
    "/datasets/own/1/collect",
    "/datasets/own/1/versions/1/images.zip",
    "/datasets/own-1-1/classes/0/images",
    "/workers",
)
OF_THE_SECOND = ("/models/4/versions/1", "/runs/8", "/runs/8/report", "/runs/16")
"""Pages of one user alone."""


def pages_of(user: str) -> list[str]:
    """The pages that all others are reached from."""
    runs = [f"/runs/{row['id']}" for row in tables_of("Runs")[0] if row["user"] == user]
    models = [f"/models/{row['id']}" for row in tables_of("Models")[0] if row["user"] == user]
    return ["/models", "/datasets", *runs, *models, *DATASETS[user]]


async def answers_of(visitor: Visitor, waiting: list[str]) -> dict[str, httpx.Response]:
    """What answers each address that can be reached from these, by its path: of several with one path, the first."""
    seen: dict[str, httpx.Response] = {}
    while waiting:
        address = waiting.pop(0)
        path = urlsplit(address).path
        if path not in seen and not LEFT_OUT.search(path):
            seen[path] = answer = await visitor.get(address)
            if _is_page(answer):
                waiting.extend(_addresses(answer))
    return seen


def _is_page(answer: httpx.Response) -> bool:
    headers = answer.headers
    return headers.get("content-type", "").startswith("text/html") and "content-disposition" not in headers


def _addresses(page: httpx.Response) -> Iterator[str]:
    for address in re.findall(r'\s(?:href|src|hx-get)="([^"#]+)', page.text):
        if not address.startswith(("http", "data:")):
            yield urljoin(page.url.path, unescape(address))


async def test_every_page_of_the_owner_s_things_is_shown(owner: Visitor) -> None:
    answers = await answers_of(owner, [*pages_of("1"), "/workers"])
    assert {path: answer.status_code for path, answer in answers.items() if answer.status_code != 200} == {}
    assert "Too few" in answers["/datasets"].text, "the notice is shown"
    expected = {f"/models/1/versions/{number}" for number in (1, 2)}
    expected |= {f"/models/{model}/versions/1/document.json" for model in (1, 2, 3, 5, 6, 8, 9)}
    expected |= {f"/runs/{run}/{page}" for run in (1, 2, 3, 4, 5, 6, 7, 9, 11) for page in ("script.py", "report")}
    expected |= {f"/runs/{run}/weights.safetensors" for run in (1, 2, 3, 5, 7, 9, 11)}
    expected |= {f"/runs/{run}/files/network.onnx" for run in (1, 7)}
    expected |= {f"/runs/{run}/report.html" for run in (1, 2, 3, 7, 11)}
    expected |= {f"/datasets/own/1/versions/{number}/images.zip" for number in (1, 2)}
    expected |= {"/datasets/own/1/collect", "/datasets/own/1/samples/1", "/datasets/own/3/samples/1"}
    expected |= {"/datasets/own/2", "/datasets/own/6/state", "/datasets/cifar10", "/datasets/svhn"}
    assert expected - set(answers) == set()


async def test_every_image_of_a_report_is_shown(owner: Visitor) -> None:
    for run, count in ((1, 28), (2, 1), (3, 1), (7, 25), (11, 1)):
        images = list(owner.services.files.path(report_folder(run)).glob("*.png"))
        assert len(images) >= count
        for image in images:
            answer = await owner.get(f"/runs/{run}/report/files/{image.name}")
            assert (answer.status_code, answer.content) == (200, image.read_bytes())


async def test_every_page_of_the_second_user_s_things_is_shown_in_their_language(second: Visitor) -> None:
    answers = await answers_of(second, pages_of("2"))
    assert {path: answer.status_code for path, answer in answers.items() if answer.status_code != 200} == {}
    assert {"/runs/8/report", "/runs/16", "/models/4/versions/1", "/datasets/own/2/versions/1"} <= set(answers)
    assert 'lang="ko"' in answers["/models"].text
    assert "사각형" in answers["/datasets/own/2"].text


async def test_each_finished_run_s_page_shows_its_test_accuracy(owner: Visitor) -> None:
    shown = [row for row in tables_of("Runs")[0] if row["status"] == "finished" and row["user"] == "1"]
    assert len(shown) == 6
    for row in shown:
        page = await owner.get(f"/runs/{row['id']}")
        assert f"<b>{float(row['test_accuracy']):.2%}</b>" in page.text, row["id"]


async def test_a_failed_run_says_why_and_a_stopped_one_that_it_was_stopped(owner: Visitor) -> None:
    assert "the training diverged. Try a smaller learning rate, such as 0.02" in (await owner.get("/runs/6")).text
    assert "It was stopped early." in (await owner.get("/runs/5")).text


async def test_nobody_sees_what_is_another_user_s(stranger: Visitor) -> None:
    for path in (*OF_THE_OWNER, *OF_THE_SECOND):
        for token, sees in ((OWNER, path in OF_THE_OWNER), (SECOND, path in OF_THE_SECOND)):
            be(stranger, token)
            assert (await stranger.get(path)).status_code == (200 if sees else 404), (path, token)


async def test_what_was_deleted_is_gone(owner: Visitor) -> None:
    for path in ("/models/7", "/runs/10", "/datasets/own/4", "/datasets/own/5"):
        assert (await owner.get(path)).status_code == 404, path


async def test_the_sign_in_link_still_signs_the_owner_in_and_does_so_once(stranger: Visitor) -> None:
    assert (await stranger.get("/models")).url.path == "/sign-in"
    page = await stranger.get(f"/sign-in?token={LINK}")
    assert "Digit reader" in (await stranger.get("/models")).text, page.text
    stranger.client.cookies.clear()
    assert "used before" in (await stranger.get(f"/sign-in?token={LINK}")).text


async def test_changes_can_be_taken_back_and_done_again(owner: Visitor) -> None:
    async def after(action: str) -> list[str]:
        async with owner.database.reading() as session:
            version = await session.get_one(Version, 1)
        assert (await owner.operate(version, action=action)).status_code == 200
        async with owner.database.reading() as session:
            return [block.type for block in (await session.get_one(Version, 1)).document.blocks]

    whole = ["Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear"]
    assert await after("redo") == [*whole[:4], "Dropout", "Linear"]
    assert await after("undo") == whole
    for count in (5, 4, 3, 2, 1, 0):
        assert await after("undo") == whole[:count]


async def test_what_was_copied_can_be_pasted_into_a_model(owner: Visitor) -> None:
    async with owner.database.reading() as session:
        version = await session.get_one(Version, 6)
    assert (await owner.operate(version, action="paste")).status_code == 200
    async with owner.database.reading() as session:
        blocks = (await session.get_one(Version, 6)).document.blocks
    assert [block.params for block in blocks if block.type == "Conv2d"] == [{"out_channels": 4}, {"out_channels": 8}]
