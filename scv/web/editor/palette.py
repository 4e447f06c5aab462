"""The palette: every kind of block by category, or those that a search finds, the best first."""

from collections.abc import Callable
from dataclasses import dataclass, field

from scv.blocks.block import CATEGORIES, BlockType, Container
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.document import Document
from scv.blocks.tree import Spot, find, taken
from scv.web.blocks_view.place import Place
from scv.web.http.render import Rendered

Read = Callable[[str], str]
"""Gives a text of the catalogue in the reader's language."""


@dataclass(frozen=True)
class PaletteSection:
    """Kinds of blocks under a title, a gettext id. What is rendered of it is kept with it."""

    category: str
    title: str
    kinds: tuple[BlockType, ...]
    rendered: Rendered = field(default_factory=dict, compare=False)


PALETTE = tuple(
    PaletteSection(key, title, tuple(kind for kind in CATALOGUE.values() if kind.category == key))
    for key, title in CATEGORIES
)
"""All kinds of blocks, by category."""


def next_spot(document: Document, place: Place) -> tuple[Spot, int | None]:
    """Where a pressed block goes: the end of the chosen branch, into an empty container, or after the chosen block."""
    where = find(document, place.block) if place.block else None
    if place.block is None or where is None:
        return Spot(), None
    if place.branch is not None:
        return Spot(place.block, place.branch), None
    block = taken(document, place.block)
    if block and isinstance(CATALOGUE.get(block.type), Container) and block.branches and not any(block.branches):
        return Spot(place.block, 0), None
    return where[0], where[1] + 1


def find_kinds(search: str, read: Read) -> list[BlockType]:
    """The kinds in which every word of the search occurs: first by name, then by summary, category and help."""
    words = search.lower().split()
    titles = dict(CATEGORIES)
    ranked: list[tuple[int, int, BlockType]] = []
    for number, kind in enumerate(CATALOGUE.values()):
        texts = [kind.summary, titles[kind.category], *(param.name for param in kind.params), kind.help]
        told = [f"{text} {read(text)}".lower() for text in texts]
        ranks = [_rank(word, kind.type.lower(), told) for word in words]
        if words and None not in ranks:
            ranked.append((sum(rank for rank in ranks if rank is not None), number, kind))
    return [kind for _, _, kind in sorted(ranked, key=lambda entry: entry[:2])]


def _rank(word: str, name: str, texts: list[str]) -> int | None:
    """How well a word fits a kind, 0 the best; None where it occurs nowhere."""
    if word in name:
        return 0 if name == word else 1 if name.startswith(word) else 2
    return next((3 + index for index, text in enumerate(texts) if word in text), None)
