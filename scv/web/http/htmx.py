"""Headers of answers to htmx, by the classes of litestar-htmx. No other module names the headers of htmx."""

from typing import Any, TypeVar

from litestar import Response
from litestar.response import Redirect
from litestar_htmx import ClientRedirect

from scv.web.http.render import AnyRequest

T = TypeVar("T")


def with_effects(response: Response[T], *effects: Response[Any]) -> Response[T]:
    """The response with the headers of `Retarget`, `Reswap`, `ReplaceUrl` or `TriggerEvent` responses.

    Each of these classes is a whole response with one header. This function puts several headers on one response.
    """
    for effect in effects:
        response.headers.update(effect.headers)
    return response


def redirect(request: AnyRequest, path: str) -> Response[Any]:
    """Redirect the browser after a form, whether htmx or the browser itself posted it."""
    return ClientRedirect(path) if request.htmx else Redirect(path, status_code=303)
