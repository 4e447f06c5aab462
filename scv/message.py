"""Messages to a user: an English sentence with named places, translated only where it is shown."""

from typing import Union

import msgspec


class Message(msgspec.Struct, frozen=True):
    """`template` is the gettext id, `values` fill its `{places}`. `str()` gives the English sentence.

    As JSON it survives a database or a stream, and is translated when somebody reads it.
    """

    template: str
    values: dict[str, "Value"] = {}

    def __str__(self) -> str:
        return self.template.format_map(self.values) if self.values else self.template


Value = Union[int, float, str, None, Message]  # noqa: UP007 - `|` cannot take the forward reference above


def say(template: str, /, **values: Value) -> Message:
    """Build a message; Babel extracts the template from calls of this name."""
    return Message(template, values)


def mark(text: str) -> str:
    """Mark a constant text for extraction without translating it here (gettext's `N_`)."""
    return text


def foreign(text: str, most: int = 40) -> str:
    """Text from somebody's file, made fit to stand in a message: short, on one line, nothing unprintable."""
    shown = "".join(character if character.isprintable() else "\ufffd" for character in text[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"
