"""How alike the layers of a network are: the section `similarity` of a report."""

import msgspec

from scv.blocks.shapes import Shape
from scv.message import Message


class ComparedLayer(msgspec.Struct, frozen=True):
    """A layer that is compared. `path` is its place in the state dict."""

    block: str
    type: str
    path: str
    depth: int
    output: Shape


class Similarity(msgspec.Struct, frozen=True):
    """Debiased linear CKA of each layer with each, on the dataset's probe images (Kornblith et al. 2019).

    1 says that they tell the images apart alike, about 0 that they have nothing in common; a little below 0 is chance.
    A row is None where a layer gives the same for all images, so that it has no similarity with any. Where nothing can
    be compared, `reason` says why.
    """

    images: int
    layers: tuple[ComparedLayer, ...]
    cka: tuple[tuple[float | None, ...] | None, ...]
    reason: Message | None = None
