"""The routes of the application, and addresses made of them."""

import re
from collections.abc import Iterator, Mapping

from litestar import Litestar
from litestar.routes import HTTPRoute


def routes(app: Litestar) -> Iterator[tuple[str, str]]:
    """Method and path template of everything that can be asked for; OPTIONS and HEAD are the framework's own."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method in sorted(route.methods - {"OPTIONS", "HEAD"}):
                yield method, route.path


def filled(path: str, ids: Mapping[str, object]) -> str:
    """The path with the ids in the place of its braces."""
    return re.sub(r"\{(\w+):\w+\}", lambda match: str(ids[match[1]]), path)
