"""Who is asking: the signed session cookie, the user behind it, and the language they read."""

from typing import Any

from itsdangerous import BadSignature, URLSafeSerializer
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from scv.errors import SCVError
from scv.message import say
from scv.web.http.language import choose
from scv.web.http.render import AnyRequest
from scv.web.http.security import cookie_name

LANGUAGE_COOKIE = "scv_language"


class SignInRequiredError(SCVError):
    """The page is for signed-in users."""

    def __init__(self) -> None:
        super().__init__(say("Please sign in first."))


class SessionCookie:
    """The browser's half of a session: a random token, signed, so that made-up ones cost no query."""

    def __init__(self, secret: str, days: int) -> None:
        self.name = cookie_name("session", secret)
        self._days = days
        self._signer = URLSafeSerializer(secret, salt="session")

    def read(self, request: ASGIConnection[Any, Any, Any, Any]) -> str | None:
        """The token that the browser presents, None where it is missing or not signed by us."""
        try:
            token = self._signer.loads(request.cookies.get(self.name, ""))
        except BadSignature:
            return None
        return token if isinstance(token, str) else None

    def write(self, token: str) -> Cookie:
        return self._cookie(str(self._signer.dumps(token)), self._days * 86400)

    def clear(self) -> Cookie:
        return self._cookie("", 0)

    def _cookie(self, value: str, max_age: int) -> Cookie:
        return Cookie(key=self.name, value=value, max_age=max_age, path="/", httponly=True, samesite="lax")


def language_cookie(code: str) -> Cookie:
    return Cookie(key=LANGUAGE_COOKIE, value=code, max_age=365 * 86400, path="/", httponly=True, samesite="lax")


def language_of(request: AnyRequest, chosen: str | None = None) -> str:
    """A signed-in user's choice, else this browser's, else what the browser asks for."""
    return choose([chosen, request.cookies.get(LANGUAGE_COOKIE)], request.headers.get("accept-language", ""))
