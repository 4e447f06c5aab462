"""What goes wrong is a page in the visitor's language; nothing makes a 500."""

import random
import re
import string
from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar

from scv.blocks.document import Block, Document
from scv.db.tables import Model, Run, Version
from tests.examples import examples
from tests.web.conftest import Visitor, add_run, add_version, path_of
from tests.web.routes import filled, routes

ABSURD = [
    "", "0", "-1", "1",
    "99999999999999999999", "1e400", "nan", "null", "\0", "\ud800".encode("utf-8", "replace").decode(),
    "x" * 5000, "<script>alert(1)</script>", "{{ 7 * 7 }}", "%00", "../../etc/passwd", "' OR 1=1 --", "[]", "{}",
    '{"op":"add","type":"Conv2d","position":-1}', '{"op":"remove","block":""}',
    '[{"op":"move","block":"conv1","position":1}]',
    '{"op":"set","block":"conv1","params":{"kernel_size":1e999}}', "한글", "🙂", "³", "٣",
]  # fmt: skip
FIELDS = [
    "operation", "revision", "block", "pane", "name", "dataset", "language", "search", "sort", "order", "page", "token",
    "view",
    "param:conv1:kernel_size", "param:conv1:nothing", "param::", "param:ghost:kernel_size", "setting:epochs",
    "setting:learning_rate", "setting:nothing",
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [("/nowhere", 404, "There is nothing here"), ("/models/999", 404, "There is nothing here"),
     ("/models/99999999999999999999", 404, "There is nothing here"),
     ("/sign-out", 405, "This address cannot do that"),
     ("/datasets/stars/samples.png", 404, "There is nothing here"),
     ("/models/1/versions/x", 404, "There is nothing here")],
)  # fmt: skip
async def test_an_error_is_a_page(owner: Visitor, path: str, status: int, title: str) -> None:
    answer = await owner.get(path)
    assert answer.status_code == status
    assert f"<h1>{title}</h1>" in answer.text


async def test_an_error_in_a_fragment_is_a_notice(owner: Visitor) -> None:
    answer = await owner.get("/models/999/versions/1", target="editor")
    assert answer.status_code == 404
    assert answer.headers["hx-retarget"] == "#notices"
    assert "<html" not in answer.text


async def test_htmx_is_sent_to_sign_in_as_a_whole(stranger: Visitor) -> None:
    answer = await stranger.get("/models", target="list")
    assert answer.headers["hx-redirect"] == "/sign-in"


async def test_a_form_that_is_too_large_is_refused(owner: Visitor) -> None:
    answer = await owner.post("/models/new", {"name": "x" * 600_000})
    assert answer.status_code == 413
    assert "That is too large" in answer.text


async def test_a_defect_says_nothing_technical_and_logs_no_values(
    owner: Visitor, logged: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(session: object, user: object, **options: object) -> None:
        secret = "pass" + "word"
        raise LookupError(len(secret))

    monkeypatch.setattr("scv.db.models.list_owned_models", broken)
    answer = await owner.get("/models")
    assert answer.status_code == 500
    assert "Something went wrong on the server" in answer.text
    assert "Traceback" not in answer.text
    assert "LookupError" not in answer.text
    (line,) = logged()
    assert (line["event"], line["path"]) == ("request failed", "/models")
    assert "LookupError: 8" in line["exception"]
    assert "password" not in str(line)
    assert owner.client.cookies[owner.services.session_cookie.name][:12] not in str(line)


GARBAGE = ["", "not json", "[]", "{}", '{"format":2,"blocks":[]}', '{"blocks":' + "[" * 3000, "stars"]


@pytest.mark.parametrize("column", ["document_json", "settings_json", "dataset"])
async def test_what_cannot_be_read_takes_nothing_else_down(owner: Visitor, column: str) -> None:
    version = await add_version(owner, name="Damaged")
    run = await add_run(owner, version)
    for text in GARBAGE:
        async with owner.database.writing() as session:
            holder: Any = Model if column == "dataset" else Version
            setattr(await session.get_one(holder, version.model_id), column, text)
            setattr(await session.get_one(Run, run.id), column, text)
        for path in (path_of(version), f"{path_of(version)}/script.py", f"/runs/{run.id}", f"/runs/{run.id}/script.py"):
            answer = await owner.get(path)
            assert answer.status_code < 500, (path, text)
            if text == "not json":
                assert answer.status_code == 422
                assert "This cannot be read" in answer.text
                assert 'href="/models"' in answer.text
        assert (await owner.operate(version)).status_code < 500
        listed = await owner.get("/models")
        assert "Damaged" in listed.text
        assert listed.status_code == 200
    assert (await owner.post(f"/models/{version.model_id}/delete", {})).status_code == 200


async def test_an_unknown_block_and_a_strange_key_are_no_defects(owner: Visitor) -> None:
    version = await add_version(owner, Document(blocks=(Block("x1", "Unheard"),)))
    run = await add_run(owner, version, status="stopped", weights="../../secret.key")
    assert "Unheard" in (await owner.get(f"/runs/{run.id}")).text
    assert (await owner.get(f"/runs/{run.id}/weights.safetensors")).status_code == 404
    assert (await owner.get(f"/runs/{run.id}/script.py")).status_code == 422


async def test_a_position_beyond_all_measure_is_refused(owner: Visitor) -> None:
    version = await add_version(owner)
    answer = await owner.operate(version, operation={"op": "add", "type": "ReLU", "position": 10**30})
    assert answer.status_code == 422


async def test_names_that_no_file_can_have_are_not_found(owner: Visitor) -> None:
    for name in ("css/base.css/x", "x" * 300, "\uac00" * 90, "y/" * 3000):
        path = f"/static/{name}"
        assert (await owner.get(path)).status_code == 404, path[:40]


async def test_an_unknown_address_knows_who_asks(owner: Visitor) -> None:
    await owner.post("/language", {"language": "ko"})
    owner.client.cookies.delete("scv_language")
    for path in ("/nowhere", "/static/nowhere.css", "/models/99999999999"):
        page = await owner.get(path)
        assert page.status_code == 404
        assert '<html lang="ko">' in page.text
        assert 'href="/models"' in page.text


async def test_a_download_names_its_charset_once(owner: Visitor) -> None:
    answer = await owner.get(f"{path_of(await add_version(owner))}/script.py")
    assert answer.headers["content-type"] == "text/x-python; charset=utf-8"


async def test_a_name_is_shown_as_text(owner: Visitor) -> None:
    await add_version(owner, name="<b>bold</b>")
    page = await owner.get("/models")
    assert "<b>bold</b>" not in page.text
    assert "&lt;b&gt;bold&lt;/b&gt;" in page.text


async def test_absurd_input_to_any_route_is_answered(owner: Visitor, app: Litestar) -> None:
    """Every route with a third of the fields, others for each route, one absurd value each; the choice is fixed."""
    rng = random.Random(5)
    version = await add_version(owner)
    run = await add_run(owner, version, status="stopped")
    ids: dict[str, object] = {
        **{"model_id": version.model_id, "number": 1, "run_id": run.id, "name": "digits", "task_id": 1},
        **{"dataset_id": 1, "part": "train", "index": 0, "file_path": "fold.js"},
    }
    for method, path in routes(app):
        if path in ("/sign-out", "/models/{model_id:int}/delete"):
            continue
        for field in rng.sample(FIELDS, min(len(FIELDS), examples(len(FIELDS) // 3))):
            value = rng.choice(ABSURD)
            address = filled(path, ids)
            if method == "POST":
                revision = {"revision": "0"} if field != "revision" and rng.random() < 0.5 else {}
                answer = await owner.post(address, {**revision, field: value}, htmx=rng.random() < 0.5)
            else:
                answer = await owner.client.get(address, params={field: value})
            assert answer.status_code < 500, (method, path, field, value)
            assert "Traceback" not in answer.text


async def test_absurd_bodies_are_answered(owner: Visitor) -> None:
    token = {"X-CSRFToken": await owner.csrf()}
    path = f"{path_of(await add_version(owner))}/operations"
    rng = random.Random(6)
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=x",
                 "application/json", "text/plain", "nonsense", ""):  # fmt: skip
        for size in (0, 1, 50, 3000):
            body = "".join(rng.choices(string.printable, k=size)).encode()
            answer = await owner.client.post(path, content=body, headers={**token, "Content-Type": kind})
            assert answer.status_code < 500, (kind, body[:60])


async def test_absurd_paths_are_answered(owner: Visitor) -> None:
    for part in ("0", "-1", "1.5", "99999999999999999999999", "%00", "..", "%ff", "x" * 3000, "²", "9" * 5000):
        for path in (f"/models/{part}", f"/models/1/versions/{part}", f"/runs/{part}", f"/datasets/{part}/samples.png",
                     f"/static/{part}"):  # fmt: skip
            answer = await owner.client.get(path)
            assert answer.status_code < 500, path
            assert not re.search(r"Traceback|site-packages", answer.text)
