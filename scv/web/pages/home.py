"""The landing page, for visitors; signed-in users are sent on to their models."""

from dataclasses import dataclass
from typing import Any

from litestar import Response, get
from litestar.response import Redirect

from scv.blocks.document import Block
from scv.web.figures import silhouette
from scv.web.house import House
from scv.web.render import Visit


@dataclass(frozen=True)
class HomePage:
    """The categories of a small network, which the landing page draws as pieces."""

    pieces: tuple[tuple[str, str], ...]


_SHOWN = ("Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear")


@get("/")
async def home(visit: Visit, house: House) -> Response[Any]:
    if visit.user is not None:
        return Redirect("/models", status_code=303)
    categories = silhouette(Block(kind, kind) for kind in _SHOWN)
    page = HomePage(tuple(zip(_SHOWN, categories, strict=True)))
    return house.renderer.respond(visit, "pages/home.html", page)
