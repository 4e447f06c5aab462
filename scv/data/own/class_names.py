"""What people may call a class: a name that comes back as it is from a zip of class folders."""

import unicodedata
from collections.abc import Iterable

from scv.data.own.archives import PicturesError
from scv.data.own.layout import reason_by_name
from scv.message import foreign, say

MOST_CHARACTERS = 60


def class_name(typed: str, others: Iterable[str] = ()) -> str:
    """The name of a class as it is kept: without spaces around it, its letters put together (NFC).

    Between words stands one space.

    `others` are the names of the other classes: one that is the same but for upper and lower case is refused, since on
    many computers these would be one folder; the very same name is not. Raises `PicturesError`.
    """
    name = unicodedata.normalize("NFC", " ".join(typed.split()))
    if not name:
        raise PicturesError(say("A class needs a name."))
    if len(name) > MOST_CHARACTERS:
        raise PicturesError(
            say(
                "The name of a class has {most} characters at most, not {count}.", most=MOST_CHARACTERS, count=len(name)
            )
        )
    if "/" in name or "\\" in name:
        raise PicturesError(
            say("The name of a class cannot hold / or \\: {name}.", name=foreign(name, MOST_CHARACTERS))
        )
    reason = reason_by_name(f"{name}/1.png")
    if reason == "hidden":
        raise PicturesError(
            say(
                "A class cannot be called {name}: folders of that name are hidden, or belong to the system.",
                name=foreign(name, MOST_CHARACTERS),
            )
        )
    if reason is not None:
        raise PicturesError(
            say("The name {name} holds characters that cannot be shown.", name=foreign(name, MOST_CHARACTERS))
        )
    for other in others:
        if other != name and other.casefold() == name.casefold():
            raise PicturesError(
                say(
                    "There is a class {other} already: {name} differs only in upper and lower case.",
                    other=foreign(other, MOST_CHARACTERS),
                    name=foreign(name, MOST_CHARACTERS),
                )
            )
    return name
