"""Domain exceptions. Each carries a `Message` a user can act on; how it is shown is the caller's business."""

from scv.message import Message, say


class SCVError(Exception):
    """Something a user can understand and act on; never a defect of the program."""

    def __init__(self, message: Message | str) -> None:
        self.message = say(message) if isinstance(message, str) else message
        super().__init__(str(self.message))


class NotFoundError(SCVError):
    """There is no such thing, or it is not this user's to see: the two are never told apart."""


class NotAllowedError(SCVError):
    """The user may see the thing and not change it; the message says what they can do instead."""


class ConflictError(SCVError):
    """The thing changed since the user last saw it; nothing was written."""


class RefusedError(SCVError):
    """The request is understood and not allowed as it stands; nothing was written."""


class TooLargeError(RefusedError):
    """More was sent than there is room for; nothing of it was kept."""


class DiskFullError(SCVError):
    """There is no room left on the server's disk; nothing of what was sent was kept."""

    def __init__(self) -> None:
        super().__init__(
            say(
                "The disk of the server is full, so nothing of this was kept. Delete something, or tell the person who "
                "runs this server."
            )
        )
