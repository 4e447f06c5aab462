"""Loss and accuracy of a network on images that it was not trained on."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the name all of torch's own texts use

from scv.ml.device import Images, Normalize

BATCH = 250
"""Images at a time on a CPU: large enough to be fast, small enough that a stop is noticed soon."""

_BATCH_ON_GPU = 2000
"""A GPU is not filled by less."""


class Score(NamedTuple):
    """`loss` is the mean cross-entropy over all images, `accuracy` the share that is right."""

    loss: float
    accuracy: float


class Interrupted(Exception):  # noqa: N818 - a wish, not an error
    """Someone asked to stop."""


def evaluate(
    network: nn.Module, images: Images, normalize: Normalize, should_stop: Callable[[], bool] = lambda: False
) -> Score:
    """Score the network in evaluation mode; its mode afterwards is as before. Raises `Interrupted`."""
    was_training = network.training
    network.eval()
    batch = BATCH if images.pixels.device.type == "cpu" else _BATCH_ON_GPU
    loss_sum = torch.zeros((), device=images.pixels.device)
    correct = torch.zeros((), dtype=torch.int64, device=images.pixels.device)
    try:
        with torch.inference_mode():
            for pixels, labels in zip(images.pixels.split(batch), images.labels.split(batch), strict=True):
                if should_stop():
                    raise Interrupted
                logits = network(normalize(pixels))  # (B, classes)
                loss_sum += F.cross_entropy(logits, labels, reduction="sum")
                correct += (logits.argmax(1) == labels).sum()
    finally:
        network.train(was_training)
    return Score(loss_sum.item() / len(images.labels), correct.item() / len(images.labels))
