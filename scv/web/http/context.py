"""What handlers ask for by name: the services, the request's context, and the signed-in user."""

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency

from scv.db import users
from scv.db.tables import User
from scv.errors import NotFoundError
from scv.message import say
from scv.web.http.cookies import SignInRequiredError, language_of
from scv.web.http.render import AnyRequest, RequestContext
from scv.web.http.services import Services

LARGEST_ID = 2**31 - 1
LONGEST_NAME = 255
"""Bytes between two slashes that a file system takes."""

AppServices = NamedDependency[Services]
Context = NamedDependency[RequestContext]
SignedIn = NamedDependency[User]
"""The user of a page that is for signed-in users only; others are sent to sign in."""


def provide_services(state: State) -> Services:
    services: Services = state.services
    return services


async def signed_in_user(connection: ASGIConnection[Any, Any, Any, Any]) -> User | None:
    """The user whose browser sends this; None for a visitor. Looked up once a request, in one statement."""
    if not hasattr(connection.state, "user"):
        services: Services = connection.app.state.services
        user = None
        if token := services.session_cookie.read(connection):
            async with services.database.reading() as session:
                user = await users.user_of_session(session, token)
        connection.state.user = user
    found: User | None = connection.state.user
    return found


async def provide_context(request: AnyRequest, services: AppServices) -> RequestContext:
    """Who asks, and in which language. Kept with the request for the error pages."""
    user = await signed_in_user(request)
    code = language_of(request, user.language if user else None)
    context = RequestContext(user=user, language=services.languages[code], request=request)
    request.state.context = context
    return context


def provide_user(context: Context) -> User:
    if context.user is None:
        raise SignInRequiredError
    return context.user


async def refuse_impossible_paths(request: Request[Any, Any, Any]) -> None:
    """No database column holds such a number and no file has such a name, so there is no such thing."""
    values = request.path_params.values()
    if any(value > LARGEST_ID if isinstance(value, int) else not _possible(str(value)) for value in values):
        raise NotFoundError(say("There is no such page."))


def _possible(name: str) -> bool:
    parts = name.encode(errors="replace").split(b"/")
    return b"\0" not in b"".join(parts) and all(len(part) <= LONGEST_NAME for part in parts)
