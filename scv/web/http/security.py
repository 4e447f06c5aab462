"""Security headers of every response, the secret of the installation, and the CSRF check."""

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

from litestar import Request
from litestar.config.csrf import CSRFConfig
from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.exceptions import ClientException, PermissionDeniedException
from litestar.middleware.csrf import CSRFMiddleware
from litestar.types import Message, Receive, Scope, Send
from litestar.utils.scope.state import ScopeState
from multipart import MultipartError, PushMultipartParser

HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
}

BODY_BYTES = 512 * 1024
"""The largest form without files, in bytes. The editor's form with the longest document is much smaller."""

UPLOADS = ("/import",)
"""The ends of addresses whose form may hold a small file."""

STREAMED = {"streamed": True}
"""The `opt` of a handler that reads the body itself, in pieces (`uploads.py`)."""

_TOKEN_WITHIN = 64 * 1024
"""The most bytes that are read and kept in memory to find the token of a streamed form."""


async def add_headers(message: Message, scope: Scope) -> None:
    """Add `HEADERS` to every response, error pages included. A Cache-Control header of the handler is kept."""
    if message["type"] != "http.response.start" or scope["type"] != ScopeType.HTTP:
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, value in HEADERS.items():
        headers[name] = value
    if "cache-control" not in headers:
        headers["cache-control"] = "no-store"


def read_secret(data_dir: Path) -> str:
    """The secret of this installation. Made at the first start; only the owner of the process can read the file."""
    path = data_dir / "secret.key"
    data_dir.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    if not path.exists():
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was faster; its secret counts
            os.link(temporary, path)
        temporary.unlink()
    return path.read_text().strip()


def cookie_name(purpose: str, secret: str) -> str:
    """The name of a cookie, different for each installation: browsers share cookies between the ports of a host."""
    return f"scv_{purpose}_{hashlib.sha256(secret.encode()).hexdigest()[:8]}"


def csrf_config(secret: str) -> CSRFConfig:
    """The settings of Litestar's CSRF check."""
    return CSRFConfig(secret=secret, cookie_name=cookie_name("form", secret), cookie_httponly=True)


class FormCheck(CSRFMiddleware):
    """Litestar's CSRF check with three changes.

    A token that is not ASCII is refused; Litestar's check would fail on it. A body with files is refused before it is
    read, except at addresses whose forms upload files. Of a streamed form the check reads only the first field, which
    is the token in our forms; the handler then reads the body from its beginning.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not Headers.from_scope(scope).get("content-type", "").lower().startswith("multipart/"):
            return await super().__call__(scope, receive, send)
        if scope["route_handler"].opt.get("streamed"):
            return await self._stream(scope, receive, send)
        if not scope["path"].endswith(UPLOADS):
            raise ClientException
        try:
            form = await Request[Any, Any, Any](scope, receive).form()  # kept with the scope, so it is not read again
        except (UnicodeDecodeError, LookupError) as error:  # a text in a wrong or unknown encoding
            raise ClientException from error
        try:
            await super().__call__(scope, receive, send)
        finally:
            await form.close()

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request[Any, Any, Any](scope, receive)
        if self.config.header_name in request.headers:
            return await super().__call__(scope, receive, send)
        token, receive = await _first_field(request)
        if not self._csrf_tokens_match(token, request.cookies.get(self.config.cookie_name)):  # type: ignore[arg-type]  # None is refused below
            raise PermissionDeniedException
        ScopeState.from_scope(scope).csrf_token = token
        return await self.app(scope, receive, send)

    def _decode_csrf_token(self, token: Any) -> str | None:
        """The token; None where a file was sent in its place, or it is not ASCII."""
        return super()._decode_csrf_token(token) if isinstance(token, str) and token.isascii() else None


async def _first_field(request: Request[Any, Any, Any]) -> tuple[str, Receive]:
    """The token if it is the first field of the form, else an empty string; and the body from its beginning."""
    read: list[Any] = []

    async def again() -> Any:
        return read.pop(0) if read else await request.receive()

    token, size, begun = b"", 0, False
    with suppress(MultipartError):
        parser = PushMultipartParser(request.content_type[1].get("boundary", ""))
        while size < _TOKEN_WITHIN:
            message = await request.receive()
            read.append(message)
            body = message["body"] if message["type"] == "http.request" else b""
            size += len(body)
            for event in parser.parse(body) if body else ():
                if event is None:
                    return token.decode(errors="replace"), again
                if isinstance(event, bytes | bytearray):
                    token += event
                elif begun or event.name != "_csrf_token" or event.filename is not None:
                    return "", again
                begun = True
            if not message.get("more_body"):
                break
    return "", again
