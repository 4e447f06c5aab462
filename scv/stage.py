"""How far some work has come that is not a training: a download, a conversion."""

from typing import Literal

import msgspec

from scv.message import Message


class Stage(msgspec.Struct, frozen=True):
    """What is being done, and that `done` of `total` is finished; a total of 0 says that nobody can tell.

    `unit` says what is counted: bytes, images, or nothing that a reader knows, so that only the share is told.
    """

    message: Message
    done: int = 0
    total: int = 0
    unit: Literal["bytes", "images", "share"] = "bytes"

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return min(self.done / self.total, 1.0) if self.total > 0 else 0.0
