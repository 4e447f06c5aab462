"""What all explanations of a network begin with: its scores, and what stands for nothing."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from scv.message import Message, say
from scv.ml.trained import Trained

_DARK, _BRIGHT = 1 / 3, 2 / 3


def score_layers(trained: Trained) -> nn.Sequential:
    """The network without a Softmax or LogSoftmax at its end, behind which one class's score is all the others' too.

    The modules are the network's own.
    """
    layers = list(trained.network)
    while len(layers) > 1 and isinstance(layers[-1], nn.Softmax | nn.LogSoftmax | nn.Dropout):
        layers.pop()
    return nn.Sequential(*layers).eval()


def background(trained: Trained) -> Tensor:
    """The pixel that stands for "nothing here": float (1, C, 1, 1), 0 to 255, with its reason in `background_text`.

    Black where the training set is dark on average, white where it is bright, else its mean colour: what is usual
    there is no evidence for a class. (Sturmfels et al. 2020, Visualizing the Impact of Feature Attribution Baselines.)
    """
    mean = torch.tensor(trained.info.mean, dtype=torch.float32).view(1, -1, 1, 1)
    brightness = mean.mean()
    if brightness < _DARK:
        return torch.zeros_like(mean)
    return torch.full_like(mean, 255.0) if brightness > _BRIGHT else (255 * mean).round()


def background_text(trained: Trained) -> Message:
    """What `background` is, for a reader."""
    brightness = sum(trained.info.mean) / len(trained.info.mean)
    if brightness < _DARK:
        return say("black, as most of the training images are dark")
    if brightness > _BRIGHT:
        return say("white, as most of the training images are bright")
    return say("the mean colour of the training images")


@torch.no_grad()
def scores(trained: Trained, pixels: Tensor) -> Tensor:
    """Pixels 0 to 255, (B, C, H, W), to the scores before any Softmax, (B, classes)."""
    layers = score_layers(trained)
    parts = [layers(trained.normalize(some)) for some in pixels.split(trained.cost.at_once)]
    return torch.cat(parts) if parts else torch.empty(0, trained.info.classes)


def gradient(layers: nn.Module, at: Tensor, targets: Tensor) -> Tensor:
    """The gradient of each image's target score, `targets` (B,), with respect to `at` (B, ...), of `at`'s shape."""
    with torch.enable_grad():
        leaf = at.detach().requires_grad_()
        # The layers get a copy, since one that works in place must not write to what is differentiated by.
        wanted = layers(leaf.clone()).gather(1, targets[:, None]).sum()
        (found,) = torch.autograd.grad(wanted, leaf)
    return found.detach()


def slices(count: int, at_once: int) -> Iterator[slice]:
    """`count` things, `at_once` at a time."""
    for start in range(0, count, at_once):
        yield slice(start, min(start + at_once, count))
