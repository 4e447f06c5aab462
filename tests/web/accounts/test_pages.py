"""Signing in and out: links that work once, and sessions that end."""

import pytest

from scv.db import users
from tests.web.conftest import Visitor


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
