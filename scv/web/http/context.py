"""What handlers receive by name: the services, the request's context, and the signed-in user."""

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
"""The most bytes between two slashes that a file system takes."""

AppServices = NamedDependency[Services]
Context = NamedDependency[RequestContext]
SignedIn = NamedDependency[User]
"""The user of a page for signed-in users. Others are redirected to the sign-in page."""


def provide_services(state: State) -> Services:
    """The services of this process."""
    services: Services = state.services
    return services


async def signed_in_user(connection: ASGIConnection[Any, Any, Any, Any]) -> User | None:
    """The signed-in user; None for a visitor. One query for each request with a session cookie."""
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
    """The user and the language of the request. The context is kept with the request for error pages."""
    user = await signed_in_user(request)
    code = language_of(request, user.language if user else None)
    context = RequestContext(user=user, language=services.languages[code], request=request)
    request.state.context = context
    return context


def provide_user(context: Context) -> User:
    """The signed-in user. Raises `SignInRequiredError` where nobody is signed in."""
    if context.user is None:
        raise SignInRequiredError
    return context.user


async def refuse_impossible_paths(request: Request[Any, Any, Any]) -> None:
    """Raise `NotFoundError` for a number that no database column holds or a name that no file can have."""
    values = request.path_params.values()
    if any(value > LARGEST_ID if isinstance(value, int) else not _possible(str(value)) for value in values):
        raise NotFoundError(say("There is no such page."))


def _possible(name: str) -> bool:
    parts = name.encode(errors="replace").split(b"/")
    return b"\0" not in b"".join(parts) and all(len(part) <= LONGEST_NAME for part in parts)
