"""Domain exceptions. Each has a `Message` that a user can act on; the caller decides how to show it."""

from scv.message import Message, say


class SCVError(Exception):
    """A problem that a user can understand and act on; never a defect of the program."""

    def __init__(self, message: Message | str) -> None:
        self.message = say(message) if isinstance(message, str) else message
        super().__init__(str(self.message))


class NotFoundError(SCVError):
    """The thing does not exist, or the user may not see it. The two give the same answer."""


class NotAllowedError(SCVError):
    """The user may see the thing but not change it. The message says what they can do instead."""


class ConflictError(SCVError):
    """The thing has changed since the user saw it. Nothing was written."""


class RefusedError(SCVError):
    """The request was understood and is not allowed. Nothing was written."""


class TooLargeError(RefusedError):
    """The user sent more than the limit. Nothing of it was kept."""


class DiskFullError(SCVError):
    """The disk of the server is full. Nothing of the upload was kept."""

    def __init__(self) -> None:
        super().__init__(
            say(
                "The disk of the server is full, so nothing of this was kept. Delete something, or tell the person who "
                "runs this server."
            )
        )
