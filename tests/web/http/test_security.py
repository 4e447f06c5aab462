"""What every answer carries, and forms that are not ours."""

import re

from litestar import Litestar

from tests.web.conftest import Visitor, add_run, add_version
from tests.web.routes import filled, routes


async def test_a_form_without_its_token_is_refused(owner: Visitor, app: Litestar) -> None:
    version = await add_version(owner)
    run = await add_run(owner, version)
    ids = {
        **{"model_id": version.model_id, "number": 1, "run_id": run.id, "name": "digits"},
        **{"dataset_id": 1, "part": "train", "index": 0},
    }
    forms = [path for method, path in routes(app) if method == "POST"]
    for token in ("", "wrong", "é", "0" * 128):
        for path in forms:
            answer = await owner.client.post(filled(path, ids), data={"_csrf_token": token})
            assert answer.status_code == 403, (path, token)
            header = await owner.client.post(filled(path, ids), headers={"X-CSRFToken": token.encode("latin-1")})
            assert header.status_code == 403, (path, token)


async def test_an_uploaded_file_is_no_token(owner: Visitor) -> None:
    answer = await owner.client.post("/language", files={"_csrf_token": ("a.txt", b"x")})
    assert answer.status_code == 400


async def test_every_answer_carries_the_security_headers(owner: Visitor) -> None:
    for path in ("/", "/models", "/nowhere", "/static/css/base.css", "/static/nowhere.css", "/health"):
        headers = (await owner.get(path)).headers
        assert "default-src 'self'" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "same-origin"
    assert (await owner.get("/models")).headers["cache-control"] == "no-store"
    assert "immutable" in (await owner.get("/static/css/base.css")).headers["cache-control"]


async def test_no_page_needs_inline_styles_or_scripts(owner: Visitor) -> None:
    version = await add_version(owner)
    run = await add_run(owner, version)
    for path in ("/models", "/models/new", f"/models/{version.model_id}", f"/runs/{run.id}"):
        html = (await owner.get(path)).text
        assert " style=" not in html, path
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|javascript:", html), path
