"""Who may see what: every route is asked, so that a new one cannot be forgotten."""

import re
from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from scv.db import users
from scv.db.datasets import begin_version, create_dataset, get_own_dataset_for
from scv.db.tables import Run, User
from tests.web.conftest import Visitor, add_run, add_version, sign_in_as_somebody

pytestmark = pytest.mark.engines("sqlite", "postgresql")

PUBLIC = {"/", "/health", "/sign-in", "/sign-out", "/language"}
OWNERS = "/workers"
"""Pages about everybody's things, which are the owner's alone."""


def routes(app: Litestar) -> Iterator[tuple[str, str]]:
    """Method and path template of every page."""
    for route in app.routes:
        if isinstance(route, HTTPRoute) and not route.path.startswith("/static"):
            for method in sorted(route.methods & {"GET", "POST"}):
                yield method, route.path


def filled(path: str, ids: dict[str, object]) -> str:
    return re.sub(r"\{(\w+):\w+\}", lambda match: str(ids[match[1]]), path)


async def test_a_stranger_is_sent_to_sign_in_from_every_page(stranger: Visitor, app: Litestar) -> None:
    ids = {"model_id": 1, "number": 1, "run_id": 1, "name": "digits", "dataset_id": 1, "part": "train", "index": 0}
    stranger.client.follow_redirects = False
    seen = 0
    for method, path in routes(app):
        if path in PUBLIC:
            continue
        address = filled(path, ids)
        answer = await (stranger.post(address, {}) if method == "POST" else stranger.get(address))
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in"), (method, path)
        seen += 1
    assert seen > 12


async def test_somebody_else_gets_404_on_every_page_of_a_users_things(owner: Visitor, app: Litestar) -> None:
    async with owner.database.writing() as session:
        other = User(name="Mallory")
        session.add(other)
    version = await add_version(owner, user=other)
    run = await add_run(owner, version)
    async with owner.database.writing() as session:
        dataset = await create_dataset(session, other, "Faces of my family")
        await begin_version(session, await get_own_dataset_for(session, other, dataset.id), "{}")
    ids = {"model_id": version.model_id, "number": 1, "run_id": run.id, "dataset_id": dataset.id, "name": "a.png"}
    seen = 0
    for method, path in routes(app):
        if "_id:" not in path or path.startswith(OWNERS):
            continue
        address = filled(path, ids)
        answer = await (owner.post(address, {"revision": 0, "name": "x"}) if method == "POST" else owner.get(address))
        assert answer.status_code == 404, (method, path)
        assert version.model.name not in answer.text
        assert dataset.name not in answer.text
        seen += 1
    assert seen > 8


async def test_the_owners_pages_are_not_found_by_anybody_else(owner: Visitor, app: Litestar) -> None:
    run = await add_run(owner, await add_version(owner))
    seen = []
    await sign_in_as_somebody(owner)
    for method, path in routes(app):
        if path.startswith(OWNERS):
            address = filled(path, {"run_id": run.id})
            answer = await (owner.post(address, {}) if method == "POST" else owner.get(address))
            assert answer.status_code == 404, (method, path)
            seen.append((method, path))
    assert len(seen) >= 2
    async with owner.database.reading() as session:
        assert (await session.get_one(Run, run.id)).status == "queued"


async def test_a_form_without_its_token_is_refused(owner: Visitor, app: Litestar) -> None:
    version = await add_version(owner)
    run = await add_run(owner, version)
    ids = {
        **{"model_id": version.model_id, "number": 1, "run_id": run.id, "name": "digits"},
        **{"dataset_id": 1, "part": "train", "index": 0},
    }
    for token in ("", "wrong", "é", "0" * 128):
        for method, path in routes(app):
            if method == "POST":
                answer = await owner.client.post(filled(path, ids), data={"_csrf_token": token})
                assert answer.status_code == 403, (path, token)
                header = await owner.client.post(filled(path, ids), headers={"X-CSRFToken": token.encode("latin-1")})
                assert header.status_code == 403, (path, token)


async def test_an_uploaded_file_is_no_token(owner: Visitor) -> None:
    answer = await owner.client.post("/language", files={"_csrf_token": ("a.txt", b"x")})
    assert answer.status_code == 400


async def test_a_sign_in_link_works_once(stranger: Visitor) -> None:
    async with stranger.database.writing() as session:
        token = await users.create_signin_link(session, minutes=5)
    assert (await stranger.get(f"/sign-in?token={token}")).url.path == "/models"
    again = await stranger.get(f"/sign-in?token={token}")
    assert again.url.path == "/models"  # a signed-in browser has no use for the refusal
    await stranger.post("/sign-out", {})
    again = await stranger.get(f"/sign-in?token={token}")
    assert again.status_code == 403
    assert "used before or is too old" in again.text


async def test_a_made_up_link_takes_no_write(stranger: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a write")

    monkeypatch.setattr(stranger.database, "writing", refuse)
    assert (await stranger.get("/sign-in?token=made-up")).status_code == 403


async def test_signing_in_again_ends_the_old_session(owner: Visitor) -> None:
    name = owner.services.session_cookie.name
    old = owner.client.cookies[name]
    await owner.sign_in()
    assert owner.client.cookies[name] != old
    owner.client.cookies[name] = old
    assert (await owner.get("/models")).url.path == "/sign-in"


async def test_signing_out_ends_the_session_on_the_server(owner: Visitor) -> None:
    name = owner.services.session_cookie.name
    old = owner.client.cookies[name]
    assert (await owner.post("/sign-out", {})).url.path == "/"
    owner.client.cookies[name] = old
    assert (await owner.get("/models")).url.path == "/sign-in"


@pytest.mark.parametrize("cookie", ["x", "é", "InRva2VuIg.forged", ""])
async def test_a_made_up_session_is_nobody(stranger: Visitor, cookie: str) -> None:
    name = stranger.services.session_cookie.name
    answer = await stranger.get("/models", headers={"Cookie": f"{name}={cookie}".encode("latin-1")})  # type: ignore[dict-item]
    assert answer.url.path == "/sign-in"


async def test_a_session_cookie_is_out_of_reach_of_scripts(stranger: Visitor) -> None:
    async with stranger.database.writing() as session:
        token = await users.create_signin_link(session, minutes=5)
    stranger.client.follow_redirects = False
    cookie = (await stranger.get(f"/sign-in?token={token}")).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


async def test_every_answer_carries_the_security_headers(owner: Visitor) -> None:
    for path in ("/", "/models", "/nowhere", "/static/scv.css", "/static/nowhere.css", "/health"):
        headers = (await owner.get(path)).headers
        assert "default-src 'self'" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "same-origin"
    assert (await owner.get("/models")).headers["cache-control"] == "no-store"
    assert "immutable" in (await owner.get("/static/scv.css")).headers["cache-control"]


async def test_no_page_needs_inline_styles_or_scripts(owner: Visitor) -> None:
    version = await add_version(owner)
    run = await add_run(owner, version)
    for path in ("/models", "/models/new", f"/models/{version.model_id}", f"/runs/{run.id}"):
        html = (await owner.get(path)).text
        assert " style=" not in html, path
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|javascript:", html), path
