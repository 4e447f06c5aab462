"""Accuracy under noise, blur, shift, rotation, less contrast and occlusion, at five levels each.

After Hendrycks and Dietterich 2019, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations; the
amounts are shares of the image, so that they mean the same from 8 × 8 to 224 × 224 pixels. Images are spoilt as
uint8, before any normalization, as a bad camera would. An image's chances (its noise, the direction of its shift)
come from its index in the test set alone and are the same at every level, only stronger.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from math import ceil, pi, radians, sqrt
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name all of torch's own texts use

from scv.data.resident import Resident
from scv.data.splits import probes
from scv.message import Message, say
from scv.ml.colormaps import enlarge
from scv.ml.explain.attribution import pixels_of
from scv.ml.hooks import OnProgress
from scv.ml.scores import background, scores, slices
from scv.ml.sprites import write_sprite
from scv.ml.trained import Trained
from scv.report.robustness import Corruption, CorruptionName, Level, Robustness

LEVELS = 5

_IMAGES = 1000
_BUDGET = 2e11
"""Multiply-adds that the section may take: about ten seconds on one core."""
_SHOWN = 3
_SEED = 20260


@dataclass(frozen=True)
class Chances:
    """What chance gives to some images: `draws` (B, 4) from 0 to 1, and `noise` (B, C, H, W), mean 0 and spread 1."""

    draws: Tensor
    noise: Tensor


Spoil = Callable[[Tensor, float, Chances, Tensor], Tensor]
"""Images 0 to 255 (B, C, H, W), an amount, chances and the background (1, C, 1, 1), to spoilt images."""


def chances_of(indices: NDArray[np.int64], shape: tuple[int, int, int]) -> Chances:
    """The chances of images by their indices in the test set: the same on every machine, and in every company.

    numpy promises that the bits of PCG64 stay the same in every version; what is made of them is written here.
    """
    count = int(np.prod(shape))
    words = np.stack([np.random.PCG64([_SEED, int(index)]).random_raw(4 + 2 * count) for index in indices])
    uniform = ((words >> 11) + 0.5) / 2**53  # (B, 4 + 2 · C · H · W), never 0 or 1
    first, second = uniform[:, 4 : 4 + count], uniform[:, 4 + count :]
    noise = np.sqrt(-2 * np.log(first)) * np.cos(2 * pi * second)  # Box and Muller 1958
    return Chances(torch.from_numpy(uniform[:, :4]).float(), torch.from_numpy(noise).float().view(-1, *shape))


def _noise(pixels: Tensor, amount: float, chances: Chances, empty: Tensor) -> Tensor:
    return pixels + 255 * amount * chances.noise


def _blur(pixels: Tensor, amount: float, chances: Chances, empty: Tensor) -> Tensor:
    for dim, side in ((2, pixels.shape[2]), (3, pixels.shape[3])):
        sigma = amount * side
        reach = ceil(3 * sigma)
        weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
        kernel = (weights / weights.sum()).view(1, 1, *((-1, 1) if dim == 2 else (1, -1)))
        padding = (0, 0, reach, reach) if dim == 2 else (reach, reach, 0, 0)
        padded = F.pad(pixels, padding, mode="replicate")
        pixels = F.conv2d(padded.flatten(0, 1)[:, None], kernel).view(pixels.shape)
    return pixels


def _moved(pixels: Tensor, angle: Tensor, right: Tensor, down: Tensor) -> Tensor:
    """Turned by radians (B,), then shifted by shares of the sides (B,); what comes in repeats the rim."""
    height, width = pixels.shape[2:]
    cos, sin = angle.cos(), angle.sin()
    # Coordinates run from −1 to 1 in both directions, so a turn of an image that is no square needs its proportion.
    rows = [
        torch.stack([cos, -sin * height / width, -2 * right], 1),
        torch.stack([sin * width / height, cos, -2 * down], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def _shift(pixels: Tensor, amount: float, chances: Chances, empty: Tensor) -> Tensor:
    way = 2 * pi * chances.draws[:, 0]
    return _moved(pixels, torch.zeros(len(pixels)), amount * way.cos(), amount * way.sin())


def _rotation(pixels: Tensor, amount: float, chances: Chances, empty: Tensor) -> Tensor:
    sign = torch.where(chances.draws[:, 1] < 0.5, -1.0, 1.0)
    still = torch.zeros(len(pixels))
    return _moved(pixels, radians(amount) * sign, still, still)


def _contrast(pixels: Tensor, amount: float, chances: Chances, empty: Tensor) -> Tensor:
    mean = pixels.mean((1, 2, 3), keepdim=True)
    return mean + amount * (pixels - mean)


def _occlusion(pixels: Tensor, amount: float, chances: Chances, empty: Tensor) -> Tensor:
    inside = []
    for dim, draw in ((2, chances.draws[:, 2]), (3, chances.draws[:, 3])):
        side = pixels.shape[dim]
        length = max(1, round(amount * side))
        start = (draw * (side - length + 1)).floor()[:, None]  # (B, 1)
        place = torch.arange(side)[None]
        inside.append((place >= start) & (place < start + length))
    hidden = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return torch.where(hidden, empty, pixels)


@dataclass(frozen=True)
class Way:
    """A way in which images become worse, and how much at each level."""

    name: CorruptionName
    title: Message
    definition: Message
    unit: Message
    amounts: tuple[float, ...]
    spoil: Spoil


_SHARE = say("of the side")

WAYS: tuple[Way, ...] = (
    Way(
        "noise",
        say("Noise"),
        say("Gaussian noise on every number of the image; the amount is its standard deviation."),
        say("of the range from black to white"),
        (0.08, 0.12, 0.18, 0.26, 0.38),
        _noise,
    ),
    Way(
        "blur",
        say("Blur"),
        say("A Gaussian blur; the amount is its standard deviation."),
        _SHARE,
        (0.015, 0.03, 0.045, 0.06, 0.09),
        _blur,
    ),
    Way(
        "shift",
        say("Shift"),
        say("Moved in a random direction; the edge pixels fill the gap."),
        _SHARE,
        (0.04, 0.08, 0.12, 0.16, 0.2),
        _shift,
    ),
    Way(
        "rotation",
        say("Rotation"),
        say("Turned to the left or to the right around the middle."),
        say("degrees"),
        (10, 20, 30, 45, 60),
        _rotation,
    ),
    Way(
        "contrast",
        say("Contrast"),
        say("All pixels move towards the image's mean; the amount is the contrast that remains."),
        say("of the contrast"),
        (0.75, 0.5, 0.3, 0.15, 0.05),
        _contrast,
    ),
    Way(
        "occlusion",
        say("Occlusion"),
        say("A window at a random position is covered with the background."),
        _SHARE,
        (0.2, 0.3, 0.4, 0.5, 0.6),
        _occlusion,
    ),
)


def corrupt(way: Way, level: int, pixels: Tensor, chances: Chances, empty: Tensor) -> Tensor:
    """Images, uint8 (B, C, H, W), spoilt at a level from 1 to 5; `empty`, float (1, C, 1, 1), is what covers them."""
    spoilt = way.spoil(pixels.float(), way.amounts[level - 1], chances, empty)
    return spoilt.round().clamp(0, 255).byte()


def make_robustness(trained: Trained, resident: Resident, folder: Path, on_progress: OnProgress) -> Robustness:
    """The section: how accuracy falls as images become worse."""
    empty = background(trained)
    looks = 1 + len(WAYS) * LEVELS
    indices = probes(resident.test_labels, trained.cost.affordable(_BUDGET, looks, 100, _IMAGES))
    labels = torch.from_numpy(np.array(resident.test_labels[indices]))
    answers = torch.empty(looks, len(indices), trained.info.classes)
    shown = _spread(labels)
    tiles: dict[str, list[list[NDArray[np.uint8]]]] = {way.name: [[] for _ in shown] for way in WAYS}
    for some in slices(len(indices), trained.cost.at_once):
        pixels, chances = pixels_of(resident, indices[some]), chances_of(indices[some], resident.shape)
        answers[0, some] = scores(trained, pixels).softmax(1)
        for number, way in enumerate(WAYS):
            spoilt = [pixels, *(corrupt(way, level, pixels, chances, empty) for level in range(1, LEVELS + 1))]
            for level in range(1, LEVELS + 1):
                answers[number * LEVELS + level, some] = scores(trained, spoilt[level]).softmax(1)
            for row, place in enumerate(shown):
                if some.start <= place < some.stop:
                    tiles[way.name][row] = [enlarge(part[place - some.start].numpy()) for part in spoilt]
            on_progress((some.start + (number + 1) / len(WAYS) * (some.stop - some.start)) / len(indices))
    corruptions = tuple(
        Corruption(
            name=way.name,
            title=way.title,
            definition=way.definition,
            unit=way.unit,
            levels=tuple(
                _level(amount, answers[number * LEVELS + level + 1], labels) for level, amount in enumerate(way.amounts)
            ),
            tiles=write_sprite(
                folder, f"robustness-{way.name}", np.stack(list(chain(*tiles[way.name]))), columns=LEVELS + 1
            ),
        )
        for number, way in enumerate(WAYS)
    )
    clean = _level(0.0, answers[0], labels)
    verdict = _verdict(len(indices), clean, corruptions)
    return Robustness(images=len(indices), clean=clean, corruptions=corruptions, verdict=verdict)


def _spread(labels: Tensor) -> list[int]:
    """Places of the first images of a few classes that lie far apart."""
    found = torch.unique(labels)
    chosen = found[torch.linspace(0, len(found) - 1, min(_SHOWN, len(found))).long()]
    return [int((labels == label).nonzero()[0]) for label in chosen]


def _level(amount: float, answers: Tensor, labels: Tensor) -> Level:
    probability, predicted = answers.max(1)
    accuracy = float((predicted == labels).double().mean())
    return Level(
        amount=amount,
        accuracy=accuracy,
        error=sqrt(accuracy * (1 - accuracy) / len(labels)),
        confidence=float(probability.double().mean()),
    )


def _verdict(images: int, clean: Level, corruptions: tuple[Corruption, ...]) -> Message:
    """Names the corruption under which most of the accuracy is lost, as a mean over its levels.

    Kinds that differ by less than two standard errors, at worst, of so many images are not set against each other.
    """

    def lost(corruption: Corruption) -> float:
        return clean.accuracy - sum(level.accuracy for level in corruption.levels) / LEVELS

    worst, best = max(corruptions, key=lost), min(corruptions, key=lost)
    if lost(worst) - lost(best) < 2 * sqrt(0.25 / images):
        return say(
            "Most harmful: {worst}, {most} percentage points lost on average. With {count} images it is not "
            "certain which one is most harmful.",
            worst=worst.title,
            most=f"{100 * lost(worst):.1f}",
            count=images,
        )
    return say(
        "Most harmful: {worst}, {most} percentage points lost on average. Least harmful: {best}, {least}.",
        worst=worst.title,
        most=f"{100 * lost(worst):.1f}",
        best=best.title,
        least=f"{100 * lost(best):.1f}",
    )
