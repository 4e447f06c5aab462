"""What people may call a class: a name that comes back as it is from a zip of class folders."""

import unicodedata
from collections.abc import Iterable

from scv.data.own.archives import ImagesError
from scv.data.own.layout import reason_by_name
from scv.message import foreign, say

MOST_CHARACTERS = 60


def class_name(typed: str, others: Iterable[str] = ()) -> str:
    """The name of a class as it is kept: without spaces around it, its letters put together (NFC).

    Between words stands one space.

    `others` are the names of the other classes: one that is the same but for upper and lower case is refused, since on
    many computers these would be one folder; the very same name is not. Raises `ImagesError`.
    """
    name = unicodedata.normalize("NFC", " ".join(typed.split()))
    if not name:
        raise ImagesError(say("A class needs a name."))
    if len(name) > MOST_CHARACTERS:
        raise ImagesError(
            say(
                "The name of a class has {most} characters at most, not {count}.", most=MOST_CHARACTERS, count=len(name)
            )
        )
    if "/" in name or "\\" in name:
        raise ImagesError(say("The name of a class cannot hold / or \\: {name}.", name=foreign(name, MOST_CHARACTERS)))
    reason = reason_by_name(f"{name}/1.png")
    if reason == "hidden":
        raise ImagesError(
            say(
                "A class cannot be called {name}: folders of that name are hidden, or belong to the system.",
                name=foreign(name, MOST_CHARACTERS),
            )
        )
    if reason is not None:
        raise ImagesError(
            say("The name {name} holds characters that cannot be shown.", name=foreign(name, MOST_CHARACTERS))
        )
    for other in others:
        if other != name and other.casefold() == name.casefold():
            raise ImagesError(
                say(
                    "There is a class {other} already: {name} differs only in upper and lower case.",
                    other=foreign(other, MOST_CHARACTERS),
                    name=foreign(name, MOST_CHARACTERS),
                )
            )
    return name
