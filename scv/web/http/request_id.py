"""An id for each request, in all log lines of the request and in a header of the response."""

import secrets

from litestar.datastructures import MutableScopeHeaders
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

HEADER = "x-request-id"


def with_request_ids(app: ASGIApp) -> ASGIApp:
    """The application with an id for each request. An id from the browser is ignored: anybody can choose one."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        request_id = secrets.token_hex(8)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableScopeHeaders.from_message(message)[HEADER] = request_id
            await send(message)

        with bound_contextvars(request=request_id):
            await app(scope, receive, send_with_id)

    return handle
