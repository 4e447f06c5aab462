"""Checks before, during and after a training.

`accept` refuses a training that cannot work. `sound` and `refuse_ruins` end one that diverged. Each message says what
to try.
"""

from math import log

import torch

from scv.blocks.check import check
from scv.blocks.codegen import InvalidDocumentError
from scv.blocks.document import Document
from scv.blocks.findings import Check
from scv.data.resident import Resident
from scv.data.splits import Split
from scv.message import Message, say
from scv.ml.errors import TrainingError
from scv.ml.train.evaluate import Score
from scv.training.batches import BatchRefusedError, refuse_single_values
from scv.training.diagnosis import guessing
from scv.training.settings import TrainingSettings, lower_rate

_HOPELESS = 1e9
"""A mean loss from which no training recovers (guessing among ten classes gives 2.3): where gradients overflow,
Adam stands still and the loss may stay finite."""


def accept(document: Document, settings: TrainingSettings, resident: Resident, parts: Split) -> Check:
    """Check everything that can be known beforehand. Raises `TrainingError` and `InvalidDocumentError`."""
    if problems := settings.problems():
        raise TrainingError("invalid_settings", problems[0])
    result = check(document, resident.shape, resident.classes)
    if not result.ok:
        raise InvalidDocumentError(result)
    images = len(parts.train)
    if not len(parts.validation):
        message = say("Each class has a single image, so none can be held out for validation. Add images.")
        raise TrainingError("too_few_images", message)
    if settings.batch_size > images:
        message = say(
            "A batch of {batch} is larger than the training set of {images} images. Try {images} or fewer.",
            batch=settings.batch_size,
            images=images,
        )
        raise TrainingError("batch_too_large", message)
    if settings.cutout >= min(resident.shape[1:]):
        message = say(
            "A cutout of {cutout} pixels can hide a whole image of {height} × {width}. Try {half}.",
            cutout=settings.cutout,
            height=resident.shape[1],
            width=resident.shape[2],
            half=min(resident.shape[1:]) // 2,
        )
        raise TrainingError("invalid_settings", message)
    try:
        refuse_single_values(result, settings, images)
    except BatchRefusedError as error:
        raise TrainingError("batch_too_small", error.message) from error
    return result


def sound(loss: float, settings: TrainingSettings) -> float:
    """The loss, unchanged. Raises `TrainingError` where it is so large that no training recovers, or not a number."""
    if not loss < _HOPELESS:
        message = say(
            "The training diverged: the loss became infinite. Try a smaller learning rate, such as {rate}.",
            rate=f"{lower_rate(settings):g}",
        )
        raise TrainingError("diverged", message)
    return loss


def refuse_ruins(trained: Score, classes: int, settings: TrainingSettings) -> None:
    """Raise `TrainingError` after an epoch that left a network which only guesses, and is very sure of its guesses.

    With an absurd learning rate the loss is ten times that of guessing (Digits, LeNet, Adam at 1: 755; at 0.001 never
    above 2.3). Accuracy counts as well: a linear classifier can still learn with a loss of 700.
    """
    guess = log(classes)
    if trained.accuracy < guessing(classes) and trained.loss > 10 * guess:
        message = say(
            "The predictions are guesses with a loss of {loss}; random guesses have {guess}. The learning "
            "rate {rate} is too large for {optimizer}. Try {better}.",
            loss=f"{trained.loss:.3g}",
            guess=f"{guess:.3g}",
            rate=f"{settings.learning_rate:g}",
            optimizer=settings.optimizer,
            better=f"{lower_rate(settings):g}",
        )
        raise TrainingError("diverged", message)


def no_numbers(settings: TrainingSettings) -> Message:
    """The message about a trained network that answers with NaN or infinity."""
    return say(
        "The network's outputs are not numbers (NaN): the training diverged. Train it again with a "
        "smaller learning rate, such as {rate}.",
        rate=f"{lower_rate(settings):g}",
    )


def is_out_of_memory(error: Exception) -> bool:
    """Whether the error means that memory ran out. torch uses a type for that on a GPU, and words on the CPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
