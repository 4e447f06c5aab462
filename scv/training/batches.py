"""Which batches a network cannot be trained with, told before the training begins."""

from math import prod

from scv.blocks.findings import Check
from scv.message import Message, say
from scv.training.settings import TrainingSettings

NORMALIZING = ("BatchNorm1d", "BatchNorm2d")
"""Blocks that take mean and spread over a batch; PyTorch refuses to of a single value."""


class BatchRefusedError(Exception):
    """The network cannot be trained with these batches."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(str(message))


def refuse_single_values(checked: Check, settings: TrainingSettings, images: int | None = None) -> None:
    """Raise `BatchRefusedError` where a block would have to normalize over one value.

    `images` is how many are trained on, where that is known: the last batch of an epoch holds what is left.
    """
    if settings.batch_size > 1 and (images is None or images % settings.batch_size != 1):
        return
    for block in checked.blocks:
        if block.type in NORMALIZING and prod((block.input or (0, 0))[1:]) == 1:
            raise BatchRefusedError(
                say("{type} needs more than one value to normalize: try another batch size.", type=block.type)
            )
