"""What every response carries, and the check that a form was ours."""

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
from litestar.exceptions import ClientException
from litestar.middleware.csrf import CSRFMiddleware
from litestar.types import Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}

BODY_BYTES = 512 * 1024
"""The largest form that is read; the editor's with the longest document is well below."""

UPLOADS = ("/import",)
"""How the addresses end that take a file."""


async def add_headers(message: Message, scope: Scope) -> None:
    """The one hook that also sees error responses. A handler's own Cache-Control stands."""
    if message["type"] != "http.response.start" or scope["type"] != ScopeType.HTTP:
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, value in HEADERS.items():
        headers[name] = value
    if "cache-control" not in headers:
        headers["cache-control"] = "no-store"


def read_secret(data_dir: Path) -> str:
    """The installation's own secret, made at the first start and readable by its user only."""
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
    """Own cookies for each installation: browsers do not tell the ports of one host apart."""
    return f"scv_{purpose}_{hashlib.sha256(secret.encode()).hexdigest()[:8]}"


def csrf_config(secret: str) -> CSRFConfig:
    return CSRFConfig(secret=secret, cookie_name=cookie_name("form", secret), cookie_httponly=True)


class FormCheck(CSRFMiddleware):
    """Litestar's check, which here refuses a token that is no ASCII text instead of failing on it.

    A body with files is refused before it is read, except where a form of ours uploads one.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not Headers.from_scope(scope).get("content-type", "").lower().startswith("multipart/"):
            return await super().__call__(scope, receive, send)
        if not scope["path"].endswith(UPLOADS):
            raise ClientException
        try:
            form = await Request[Any, Any, Any](scope, receive).form()  # kept with the scope: nobody reads it again
        except (UnicodeDecodeError, LookupError) as error:  # a text in no encoding, or in one that does not exist
            raise ClientException from error
        try:
            await super().__call__(scope, receive, send)
        finally:
            await form.close()

    def _decode_csrf_token(self, token: Any) -> str | None:
        """Also for what is no text: somebody may send a file in its place."""
        return super()._decode_csrf_token(token) if isinstance(token, str) and token.isascii() else None
