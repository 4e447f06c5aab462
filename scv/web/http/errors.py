"""Exceptions as answers: a page for a browser, a notice for htmx, never a traceback."""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import structlog
from litestar import Response
from litestar.exceptions import HTTPException, InternalServerException
from litestar.response.base import ASGIResponse
from litestar.types import ExceptionHandlersMap, Receive, Scope, Send
from litestar_htmx import Reswap, Retarget

from scv.blocks.document import DocumentError
from scv.data.official.catalogue import UnknownDatasetError
from scv.errors import (
    ConflictError,
    DiskFullError,
    NotAllowedError,
    NotFoundError,
    RefusedError,
    SCVError,
    TooLargeError,
)
from scv.message import Message, say
from scv.web.http.context import provide_context
from scv.web.http.cookies import SignInRequiredError, language_of
from scv.web.http.htmx import redirect, with_effects
from scv.web.http.render import AnyRequest, Renderer, RequestContext

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class ErrorPage:
    """One sentence on what went wrong, and one on what to do about it."""

    status: int
    title: Message
    advice: Message


PAGES = {
    400: (say("This request cannot be read"), say("Go back and try again.")),
    403: (
        say("This form is no longer valid"),
        say("This page was open for too long, or the request came from another site. Reload the page and try again."),
    ),
    404: (say("There is nothing here"), say("The address is wrong, or what was here has been deleted.")),
    405: (say("This address cannot do that"), say("Go back and use the buttons of the page.")),
    409: (say("Changed elsewhere"), say("Reload the page to see the present state.")),
    413: (say("That is too large"), say("What you sent is larger than the limit.")),
    422: (say("This cannot be done"), say("Go back and change your input.")),
    500: (
        say("Something went wrong on the server"),
        say("Nothing you saved is lost. Try again; the server's log says what happened."),
    ),
    507: (say("There is no room left"), say("The disk of the server is full.")),
}


def status_of(error: SCVError) -> int:
    """The HTTP status of the answer to a domain exception."""
    match error:
        case NotFoundError():
            return 404
        case NotAllowedError():
            return 403
        case ConflictError():
            return 409
        case TooLargeError():
            return 413
        case DiskFullError():
            return 507
    return 422


UNREADABLE = ErrorPage(
    422,
    say("This cannot be read"),
    say(
        "What is stored here is damaged, or was made by another version of SCV. Your other models are not "
        "affected; this one can be deleted in the list."
    ),
)


def _respond(request: AnyRequest, status: int, advice: Message | None = None) -> Response[Any]:
    known = status if status in PAGES else (500 if status >= 500 else 400)
    title, usual = PAGES[known]
    return _show(request, ErrorPage(status, title, advice or usual))


def _show(request: AnyRequest, page: ErrorPage) -> Response[Any]:
    context: RequestContext | None = getattr(request.state, "context", None)
    if context is not None:
        return _page(request, context, page)
    return _LatePage(request, lambda context: _page(request, context, page))


class _LatePage(Response[Any]):
    """An error page for a request without a context, such as one for an unknown address.

    The context needs the database. An exception handler is not async and cannot wait for it; sending an answer can.
    """

    def __init__(self, request: AnyRequest, render: Callable[[RequestContext], Response[Any]]) -> None:
        super().__init__(None)
        self._late = _LateAnswer(request, render)

    def to_asgi_response(self, *args: Any, **options: Any) -> ASGIResponse:
        return self._late


class _LateAnswer(ASGIResponse):
    def __init__(self, request: AnyRequest, render: Callable[[RequestContext], Response[Any]]) -> None:
        super().__init__()
        self._request = request
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = self._request
        state = request.app.state
        try:
            context = await provide_context(request, state.services)
        except Exception as error:  # the error page must be shown whatever failed
            log.error("the user of a request is not known", path=request.scope["path"], exc_info=error)
            context = RequestContext(user=None, language=state.languages[language_of(request)], request=request)
        await self._render(context).to_asgi_response(None, request)(scope, receive, send)


def _page(request: AnyRequest, context: RequestContext, page: ErrorPage) -> Response[Any]:
    renderer: Renderer = request.app.state.renderer
    status = page.status
    if request.htmx:
        notice = renderer.respond(context, "site/error.html", page, block="notice", status=status)
        return with_effects(notice, Retarget(None, "#notices"), Reswap(None, "innerHTML"))
    return renderer.respond(context, "site/error.html", page, status=status)


def on_http(request: AnyRequest, error: HTTPException) -> Response[Any]:
    """Litestar refused the request. Its own message is English and technical, so it is not shown."""
    if error.status_code >= 500:
        return on_defect(request, error)
    return _respond(request, error.status_code)


def on_not_found(request: AnyRequest, error: NotFoundError) -> Response[Any]:
    """The thing does not exist, or the user may not see it: the answers are the same."""
    return _respond(request, 404)


def on_unreadable(request: AnyRequest, error: Exception) -> Response[Any]:
    """Something in the database cannot be read by this version of SCV. Other pages still work."""
    log.warning("stored data cannot be read", path=request.scope["path"], why=str(error))
    return _show(request, UNREADABLE)


def on_no_file(request: AnyRequest, error: Exception) -> Response[Any]:
    """A name that no file can have, below /static, is a file that does not exist."""
    why = error.__cause__
    if isinstance(why, OSError) and why.errno in (errno.ENOTDIR, errno.ENAMETOOLONG):
        return _respond(request, 404)
    return on_defect(request, error)


def on_refused(request: AnyRequest, error: SCVError) -> Response[Any]:
    """The request was understood and refused; the message says why."""
    return _respond(request, status_of(error), error.message)


def on_not_allowed(request: AnyRequest, error: NotAllowedError) -> Response[Any]:
    """The user may see the thing but not change it."""
    return _show(request, ErrorPage(403, say("Only its owner can do this"), error.message))


def on_signed_out(request: AnyRequest, error: SignInRequiredError) -> Response[Any]:
    """The page is for signed-in users."""
    return redirect(request, "/sign-in")


def on_defect(request: AnyRequest, error: Exception) -> Response[Any]:
    """A defect of the program: the log gets the traceback, the browser one sentence."""
    log.error("request failed", path=request.scope["path"], exc_info=error)
    return _respond(request, 500)


# A cast: Litestar's type expects its plain Request, but HTMXPlugin makes every request an HTMXRequest.
HANDLERS = cast(
    "ExceptionHandlersMap",
    {
        HTTPException: on_http,
        NotFoundError: on_not_found,
        UnknownDatasetError: on_unreadable,
        DocumentError: on_unreadable,
        msgspec.DecodeError: on_unreadable,
        NotAllowedError: on_not_allowed,
        ConflictError: on_refused,
        RefusedError: on_refused,
        DiskFullError: on_refused,
        SignInRequiredError: on_signed_out,
        Exception: on_defect,
    },
)

STATIC_HANDLERS = cast("ExceptionHandlersMap", {InternalServerException: on_no_file})
"""The handlers of the files below /static."""
