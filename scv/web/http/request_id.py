"""An id for each request, in every line that is logged while it is handled and in a header of the answer."""

import secrets

from litestar.datastructures import MutableScopeHeaders
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

HEADER = "x-request-id"


def with_request_ids(app: ASGIApp) -> ASGIApp:
    """The application, with an id for each request. One that the browser sends is not taken over: it is anybody's."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        request_id = secrets.token_hex(8)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableScopeHeaders.from_message(message)[HEADER] = request_id
            await send(message)

        with bound_contextvars(request=request_id):
            await app(scope, receive, send_with_id)

    return handle
