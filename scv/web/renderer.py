"""The renderer of all pages, with the filters and functions that templates may use."""

from collections.abc import Mapping
from functools import lru_cache

from scv.blocks.shapes import written
from scv.settings import ROOT
from scv.web.blocks_view import drawings
from scv.web.blocks_view.shortcuts import SHORTCUTS, keys, tip
from scv.web.http.language import Language
from scv.web.http.render import Renderer


def make_renderer(languages: Mapping[str, Language]) -> Renderer:
    """The renderer for these languages by their codes."""
    return Renderer(
        languages,
        ROOT / "templates",
        ROOT / "static",
        filters={"shape": written, "tip": tip},
        values={
            "cuboid": lru_cache(1000)(drawings.cuboid),
            "learning_curve": drawings.learning_curve,
            "keys": keys,
            "shortcuts": tuple(SHORTCUTS.values()),
        },
    )
