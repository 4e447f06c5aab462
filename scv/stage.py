"""How far some work has come that is not a training: a download, a conversion."""

import msgspec

from scv.message import Message


class Stage(msgspec.Struct, frozen=True):
    """What is being done. `done` of `total` bytes are; a total of 0 says that nobody can tell."""

    message: Message
    done: int = 0
    total: int = 0

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return min(self.done / self.total, 1.0) if self.total > 0 else 0.0
