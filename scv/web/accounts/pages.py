"""Sign-in by a one-time link, sign-out, and the choice of the language."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.response import Redirect

from scv.db import users
from scv.errors import RefusedError
from scv.message import say
from scv.web.http.context import AppServices, Context
from scv.web.http.cookies import language_cookie
from scv.web.http.errors import ErrorPage
from scv.web.http.forms import page_before, read_form
from scv.web.http.language import NAMES
from scv.web.http.render import AnyRequest


class SessionController(Controller):
    @get("/sign-in")
    async def sign_in(self, request: AnyRequest, context: Context, services: AppServices) -> Response[Any]:
        """Redeem the one-time link and start a session. Without a token the page says where to find a link."""
        token = request.query_params.get("token", "")
        if not token:
            return services.renderer.respond(context, "accounts/sign_in.html", None)
        try:
            async with services.database.reading() as session:
                if not await users.has_signin_link(session, token):  # without a write, because anybody may try
                    raise users.SigninLinkRefusedError
            async with services.database.writing() as session:
                user = await users.redeem_signin_link(session, token, language=context.language.code)
                if old := services.session_cookie.read(request):
                    await users.end_session(session, old)
                fresh = await users.start_session(session, user, days=services.settings.session_days)
        except RefusedError as error:
            if context.user is not None:
                return Redirect("/models", status_code=303)
            page = ErrorPage(403, say("This link no longer works"), error.message)
            return services.renderer.respond(context, "site/error.html", page, status=403)
        return Redirect("/models", status_code=303, cookies=[services.session_cookie.write(fresh)])

    @post("/sign-out")
    async def sign_out(self, request: AnyRequest, services: AppServices) -> Response[Any]:
        """End the session of this browser."""
        if token := services.session_cookie.read(request):
            async with services.database.writing() as session:
                await users.end_session(session, token)
        return Redirect("/", status_code=303, cookies=[services.session_cookie.clear()])

    @post("/language")
    async def language(self, request: AnyRequest, context: Context, services: AppServices) -> Response[Any]:
        """Change the language of this browser, and of the signed-in user."""
        form = await read_form(request)
        code = form.get("language", "")
        if code not in NAMES:
            raise RefusedError(say("There is no such language."))
        if context.user is not None:
            async with services.database.writing() as session:
                await users.set_language(session, context.user, code)
        return Redirect(page_before(request), status_code=303, cookies=[language_cookie(code)])
