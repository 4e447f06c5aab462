"""What a class of somebody's own pictures may be called: such that a folder can have the name, in a zip as well."""

import unicodedata

from scv.blocks.message import foreign, say
from scv.data.archives import PicturesError
from scv.data.layout import reason_by_name

LONGEST = 60
"""Characters."""


def class_name(text: str) -> str:
    """The name as it is kept, without spaces around it. Raises `PicturesError` where a class cannot be called so."""
    name = unicodedata.normalize("NFC", " ".join(text.split()))
    if not name:
        raise PicturesError(say("Give the class a name."))
    if len(name) > LONGEST:
        raise PicturesError(say("The name of a class has at most {most} characters.", most=LONGEST))
    if set("/\\") & set(name) or not name.isprintable() or reason_by_name(f"{name}/x.png") is not None:
        raise PicturesError(
            say(
                "A class cannot be called {name}: a name does not begin with a dot, and holds no slashes and no "
                "control characters.",
                name=foreign(name),
            )
        )
    return name
