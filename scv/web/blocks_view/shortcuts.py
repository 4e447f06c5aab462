"""The keyboard shortcuts of the editor. Templates mark the element of each; keys.js presses the marked element."""

from dataclasses import dataclass
from functools import cache

from markupsafe import Markup

from scv.message import mark


@dataclass(frozen=True)
class Shortcut:
    """Keys in the notation of ARIA, and a gettext id of what they do.

    `anywhere`: also while a field has the focus. `within`: only while the focus is in there, a CSS selector, because
    single keys belong to what has the focus.
    """

    keys: str
    does: str
    anywhere: bool = False
    within: str = ""

    @property
    def caps(self) -> tuple[str, ...]:
        """The labels of the keys."""
        return tuple(CAPS.get(key, key) for key in self.keys.split("+"))


CAPS = {"Control": "Ctrl", "ArrowUp": "↑", "ArrowDown": "↓", "ArrowLeft": "←", "ArrowRight": "→", "Delete": "Del"}

SHORTCUTS: dict[str, Shortcut] = {
    "search": Shortcut("Control+K", mark("Search for a block; Enter adds the best one"), anywhere=True),
    "next": Shortcut("ArrowDown", mark("Select the next block"), within="#stack"),
    "previous": Shortcut("ArrowUp", mark("Select the previous block"), within="#stack"),
    "block": Shortcut("Control+ArrowDown", mark("Go to the selected block"), anywhere=True),
    "fields": Shortcut("F2", mark("Go to the selected block's parameters"), anywhere=True),
    "up": Shortcut("Alt+ArrowUp", mark("Move up"), anywhere=True),
    "down": Shortcut("Alt+ArrowDown", mark("Move down"), anywhere=True),
    "inside": Shortcut("Alt+ArrowRight", mark("Move into the block above")),
    "outside": Shortcut("Alt+ArrowLeft", mark("Move out of its container")),
    "beside": Shortcut("Alt+Shift+ArrowRight", mark("Move to the next branch")),
    "duplicate": Shortcut("Control+D", mark("Duplicate")),
    "copy": Shortcut("Control+C", mark("Copy (paste it into any model)")),
    "cut": Shortcut("Control+X", mark("Cut")),
    "paste": Shortcut("Control+V", mark("Paste after the selected block")),
    "remove": Shortcut("Delete", mark("Remove it"), within="#stack"),
    "undo": Shortcut("Control+Z", mark("Undo")),
    "redo": Shortcut("Control+Shift+Z", mark("Redo")),
    "problem": Shortcut("F8", mark("Go to the first error"), anywhere=True),
    "repair": Shortcut("Control+Shift+F", mark("Fix all errors that can be fixed safely"), anywhere=True),
    "save": Shortcut("Control+S", mark("Save"), anywhere=True),
    "run": Shortcut("Control+Enter", mark("Run"), anywhere=True),
    "list": Shortcut("Control+Shift+L", mark("Switch between list and blocks"), anywhere=True),
    "help": Shortcut("Control+/", mark("Show these shortcuts"), anywhere=True),
}
"""The shortcuts by name. On a Mac the command key replaces Control."""


@cache
def keys(name: str) -> Markup:
    """The attribute of the element that a shortcut presses."""
    return Markup(' aria-keyshortcuts="{}"').format(SHORTCUTS[name].keys)


def tip(text: str, name: str) -> str:
    """A tooltip with the keys: `Undo (Ctrl+Z)`."""
    return f"{text} ({'+'.join(SHORTCUTS[name].caps)})"
