"""What can go wrong with a dataset, said so that a user can act on it."""

from scv.message import Message


class DatasetMissingError(Exception):
    """A dataset is neither on this machine nor to be had; `message` says which files belong where."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(str(message))
