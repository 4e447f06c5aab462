"""What can go wrong with a dataset, said so that a user can act on it."""

from scv.message import Message


class DatasetMissingError(Exception):
    """A dataset is not on this machine and cannot be downloaded. `message` says which files belong where."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(str(message))
