"""What answers say to htmx besides their HTML, by the classes of litestar-htmx; nothing else names htmx's headers."""

from typing import Any, TypeVar

from litestar import Response
from litestar.response import Redirect
from litestar_htmx import ClientRedirect

from scv.web.http.render import AnyRequest

T = TypeVar("T")


def with_effects(response: Response[T], *effects: Response[Any]) -> Response[T]:
    """The response, with the effects of others: `Retarget`, `Reswap`, `ReplaceUrl`, `TriggerEvent`.

    Each of those classes has one effect and sets the whole response, so one that needs several is put together here.
    """
    for effect in effects:
        response.headers.update(effect.headers)
    return response


def redirect(request: AnyRequest, path: str) -> Response[Any]:
    """Send the browser to another page after a form, which htmx or the browser itself may have posted."""
    return ClientRedirect(path) if request.htmx else Redirect(path, status_code=303)
