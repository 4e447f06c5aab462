"""What can go wrong in the machine room, said so that a user can act on it."""

from scv.message import Message


class TrainingError(Exception):
    """A training cannot begin or go on.

    `code` is one of: invalid_document, invalid_settings, no_device, too_few_images, batch_too_large,
    batch_too_small, diverged, out_of_memory. `message` says why and what to try.
    """

    def __init__(self, code: str, message: Message) -> None:
        self.code = code
        self.message = message
        super().__init__(str(message))


class WeightsError(Exception):
    """A file holds no weights of SCV's, or they do not fit their own network; `message` says which."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(str(message))


class NoNumbersError(Exception):
    """A network's answer holds NaN or infinity; `message` says why and what to try."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(str(message))


class ExportError(Exception):
    """A network cannot be written in a format; `message` says why, and which block it is where that is known."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(str(message))
