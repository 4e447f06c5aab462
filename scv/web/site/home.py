"""The start page for visitors. Signed-in users are redirected to their models."""

from dataclasses import dataclass
from typing import Any

from litestar import Response, get
from litestar.response import Redirect

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.check import check
from scv.blocks.document import Block, Document
from scv.blocks.shapes import Shape
from scv.data.official.catalogue import find
from scv.web.http.context import AppServices, Context

_SHOWN = Document(
    blocks=(
        Block("conv1", "Conv2d", {"out_channels": 16, "padding": 1}),
        Block("relu1", "ReLU"),
        Block("pool1", "MaxPool2d"),
        Block("flatten1", "Flatten"),
        Block("linear1", "Linear", {"out_features": 10}),
    )
)


@dataclass(frozen=True)
class ShownPiece:
    """One block of the network on the start page, with its output shape."""

    type: str
    category: str
    output: Shape


@dataclass(frozen=True)
class HomePage:
    """A small network for MNIST with its true shapes."""

    pieces: tuple[ShownPiece, ...]


@get("/")
async def home(context: Context, services: AppServices) -> Response[Any]:
    """The start page."""
    if context.user is not None:
        return Redirect("/models", status_code=303)
    mnist = find("mnist")
    checked = check(_SHOWN, mnist.shape, mnist.classes)
    page = HomePage(
        tuple(
            ShownPiece(block.type, CATALOGUE[block.type].category, block.output)
            for block in checked.blocks
            if block.output
        )
    )
    return services.renderer.respond(context, "site/home.html", page)
