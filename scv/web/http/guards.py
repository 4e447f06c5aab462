"""Guards: who reaches a handler at all. A controller names those that it needs; they run before anything of it."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from scv.db.access import require_owner
from scv.web.http.context import signed_in_user
from scv.web.http.cookies import SignInRequiredError


async def requires_owner(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let the owner of the instance through alone.

    Raises `SignInRequiredError` for a visitor, and `NotFoundError` for other users: to them there is no such page.
    """
    user = await signed_in_user(connection)
    if user is None:
        raise SignInRequiredError
    require_owner(user)
