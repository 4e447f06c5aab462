"""Where in the editor somebody is, which travels in its address and its form."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

PANES = ("block", "code", "training", "runs")

VIEWS = ("blocks", "list")

MAX_SEARCH = 60
"""Longest text that is looked for in the palette."""


class Place(msgspec.Struct, frozen=True):
    """The chosen block, a branch of it, the tab of the side pane, how the network is shown, what is searched for."""

    block: str | None = None
    pane: str = PANES[0]
    branch: int | None = None
    view: str = VIEWS[0]
    search: str = ""

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> "Place":
        """From an address or a form; what makes no sense counts as not given."""
        pane, branch, view = fields.get("pane", ""), fields.get("branch", ""), fields.get("view", "")
        return cls(
            fields.get("block") or None,
            pane if pane in PANES else PANES[0],
            int(branch) if branch.isascii() and branch.isdecimal() and len(branch) < 3 else None,
            view if view in VIEWS else VIEWS[0],
            fields.get("search", "")[:MAX_SEARCH].strip(),
        )


def version_path(model_id: int, number: int, place: Place | None = None) -> str:
    """The editor's address, at a place."""
    path = f"/models/{model_id}/versions/{number}"
    if place is None:
        return path
    query = {
        "block": place.block,
        "branch": place.branch,
        "pane": place.pane,
        "view": None if place.view == VIEWS[0] else place.view,
        "search": place.search or None,
    }
    return f"{path}?{urlencode({name: value for name, value in query.items() if value is not None})}"


class Addresses(msgspec.Struct, frozen=True):
    """The editor's addresses that choose a block, or a branch of it; they begin with `start`."""

    start: str

    def of(self, block: str, branch: int | None) -> str:
        return f"{self.start}&block={quote(block)}{'' if branch is None else f'&branch={branch}'}"
