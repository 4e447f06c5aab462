"""Guards: who may reach a handler at all, decided before it runs. A controller names those that it needs."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from scv.errors import NotFoundError
from scv.message import say
from scv.web.http.context import signed_in_user
from scv.web.http.cookies import SignInRequiredError


async def requires_owner(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let the owner of the instance through alone.

    Raises `SignInRequiredError` for a visitor, and `NotFoundError` for other users: to them there is no such page.
    """
    user = await signed_in_user(connection)
    if user is None:
        raise SignInRequiredError
    if not user.is_owner:
        raise NotFoundError(say("There is no such page."))
