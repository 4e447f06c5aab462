"""Signing in by the one-time link, signing out, and the language."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.response import Redirect

from scv.blocks.message import say
from scv.db import users
from scv.errors import RefusedError
from scv.web.dependencies import TheHouse, TheVisit
from scv.web.errors import ErrorPage
from scv.web.forms import page_before, read_form
from scv.web.language import NAMES
from scv.web.render import AnyRequest
from scv.web.visitor import language_cookie


class SessionController(Controller):
    @get("/sign-in")
    async def sign_in(self, request: AnyRequest, visit: TheVisit, house: TheHouse) -> Response[Any]:
        """Use the link up and start a new session; without a token, say where the link is found."""
        token = request.query_params.get("token", "")
        if not token:
            return house.renderer.respond(visit, "pages/sign_in.html", None)
        try:
            async with house.database.reading() as session:
                if not await users.has_signin_link(session, token):  # costs no write: anybody may ask
                    raise users.SigninLinkRefusedError
            async with house.database.writing() as session:
                user = await users.redeem_signin_link(session, token, language=visit.language.code)
                if old := house.session_cookie.read(request):
                    await users.end_session(session, old)
                fresh = await users.start_session(session, user, days=house.settings.session_days)
        except RefusedError as error:
            if visit.user is not None:
                return Redirect("/models", status_code=303)
            page = ErrorPage(403, say("This link no longer works"), error.message)
            return house.renderer.respond(visit, "pages/error.html", page, status=403)
        return Redirect("/models", status_code=303, cookies=[house.session_cookie.write(fresh)])

    @post("/sign-out")
    async def sign_out(self, request: AnyRequest, house: TheHouse) -> Response[Any]:
        if token := house.session_cookie.read(request):
            async with house.database.writing() as session:
                await users.end_session(session, token)
        return Redirect("/", status_code=303, cookies=[house.session_cookie.clear()])

    @post("/language")
    async def language(self, request: AnyRequest, visit: TheVisit, house: TheHouse) -> Response[Any]:
        """Change the language for this browser, and for the user where somebody is signed in."""
        form = await read_form(request)
        code = form.get("language", "")
        if code not in NAMES:
            raise RefusedError(say("There is no such language."))
        if visit.user is not None:
            async with house.database.writing() as session:
                await users.set_language(session, visit.user, code)
        return Redirect(page_before(request), status_code=303, cookies=[language_cookie(code)])
