"""What a network would like to see: the section of a report with images made for its classes and its channels."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from scv.blocks.catalogue.all import CATALOGUE
from scv.data.resident import Resident
from scv.data.splits import probes
from scv.message import say
from scv.ml.colormaps import enlarge
from scv.ml.explain.attribution import pixels_of
from scv.ml.explain.feature_visualization import LOOKS, STEPS, maximize, window_of
from scv.ml.hooks import Layer, OnProgress, layers_of, watching
from scv.ml.scores import scores, slices
from scv.ml.sprites import write_sprite
from scv.ml.trained import Trained
from scv.report.feature_visualization import ChannelImages, Imagined, Maximization
from scv.report.sprites import Sprite

_BUDGET = 4e11
"""Multiply-adds of all images of classes, and as many of all of channels: about ten seconds on one core."""
_SEEDS = 3
_LOOK_AT = 10_000
_FEWEST = 200
_CHANNELS = 128
"""Of a layer that images are made for."""
_STEPS = 128
"""For a channel: half as many as for a class, and no further ones would change what is seen."""
_COLUMNS = 10


def make_maximization(trained: Trained, resident: Resident, folder: Path, on_progress: OnProgress) -> Maximization:
    """The section: for each class what it would like to see, from several seeds, and for channels of each layer."""
    layers = _own_patterns(trained)
    real = _look(trained, resident, layers)
    on_progress(0.1)
    made = _of_classes(trained, real, folder, lambda done: on_progress(0.1 + 0.5 * done))
    channels = _of_channels(trained, layers, real.peaks, folder, lambda done: on_progress(0.6 + 0.4 * done))
    return msgspec.structs.replace(made, layers=channels, layers_left_out=len(layers) - len(channels))


@dataclass(frozen=True)
class _Real:
    """What test images get: `best` (classes,) the highest score of an image of each class, −∞ without one.

    `peaks` are for each layer the largest numbers of its channels anywhere in an image, (channels,).
    """

    looked_at: int
    best: Tensor
    peaks: list[Tensor]


def _own_patterns(trained: Trained) -> list[Layer]:
    """The layers that put channels together by weights; what follows them only changes these channels' numbers.

    The one whose outputs are the classes' scores is left out: its images are those of the classes.
    """
    found = [
        layer for layer in layers_of(trained) if CATALOGUE[layer.checked.type].category in ("convolution", "linear")
    ]
    if found and found[-1].output == (trained.info.classes,):
        found.pop()
    return found


def _look(trained: Trained, resident: Resident, layers: list[Layer]) -> _Real:
    indices = probes(resident.test_labels, trained.cost.affordable(_BUDGET / 4, 1, _FEWEST, _LOOK_AT))
    labels = torch.from_numpy(np.array(resident.test_labels[indices]))
    best = torch.full((trained.info.classes,), -torch.inf)
    peaks = [torch.full((layer.output[0],), -torch.inf) for layer in layers]

    def see(number: int, output: Tensor) -> None:
        highest = output.amax((0, 2, 3)) if output.dim() == 4 else output.amax(0)
        peaks[number] = torch.maximum(peaks[number], highest)

    with watching(layers, see):
        for some in slices(len(indices), trained.cost.at_once):
            answers = scores(trained, pixels_of(resident, indices[some]))
            own = answers.gather(1, labels[some, None])[:, 0]
            best = best.scatter_reduce(0, labels[some], own, "amax")
    return _Real(len(indices), best, peaks)


def _of_classes(trained: Trained, real: _Real, folder: Path, on_progress: OnProgress) -> Maximization:
    classes = trained.info.classes
    images = trained.cost.affordable(_BUDGET, LOOKS * STEPS, 4, _SEEDS * classes)
    seeds = max(1, images // classes)
    shown = np.unique(np.linspace(0, classes - 1, min(classes, images)).astype(int))
    best = real.best[torch.from_numpy(shown)]
    known = torch.isfinite(best)
    # A class without a test image has to outdo the lowest of the others' goals.
    goals = torch.where(known, best, best[known].min() if known.any() else torch.tensor(0.0))
    made = maximize(trained, shown.tolist(), seeds, STEPS, on_progress, goals=goals)
    flat = made.pixels.flatten(0, 1)
    probabilities = scores(trained, flat).softmax(1).view(len(shown), seeds, -1)
    notes = []
    missed = int((known & (made.answers.amax(1) <= goals)).sum())
    if missed:
        notes.append(say("{count} of the classes stay below their best test image.", count=missed))
    return Maximization(
        classes=tuple(
            Imagined(
                target=int(target),
                scores=tuple(made.answers[row].tolist()),
                probabilities=tuple(probabilities[row, :, target].tolist()),
                best_real=float(best[row]) if known[row] else None,
            )
            for row, target in enumerate(shown)
        ),
        left_out=classes - len(shown),
        seeds=seeds,
        steps=STEPS,
        looked_at=real.looked_at,
        tiles=_written(folder, "maximization", flat, seeds * 4),
        method=say(
            "Made from noise in {steps} steps that raise the score: the simplest image found that scores "
            "higher than every test image of the class that was compared. It shows what the network looks "
            "for, which may differ from what people see.",
            steps=STEPS,
        ),
        notes=tuple(notes),
    )


def _of_channels(
    trained: Trained, layers: list[Layer], peaks: list[Tensor], folder: Path, on_progress: OnProgress
) -> tuple[ChannelImages, ...]:
    widths = [min(layer.output[0], _CHANNELS) for layer in layers]
    costs = [LOOKS * _STEPS * cost for cost in _costs_up_to(trained, layers)]
    counts = _affordable(widths, costs)
    found: list[ChannelImages] = []
    total, spent = sum(count * cost for count, cost in zip(counts, costs, strict=True)), 0.0
    for number, (layer, count) in enumerate(zip(layers, counts, strict=True)):
        if not count:
            continue
        share, window = count * costs[number] / total, window_of(trained, layer)
        made = maximize(trained, range(count), 1, _STEPS, partial(_tell_part, on_progress, spent, share), layer=layer)
        found.append(
            ChannelImages(
                block=layer.checked.id,
                type=layer.checked.type,
                path=layer.path,
                channels=layer.output[0],
                answers=tuple(made.answers[:, 0].tolist()),
                best_real=tuple(peaks[number][:count].tolist()),
                sees=(window[0].stop - window[0].start, window[1].stop - window[1].start),
                tiles=_written(folder, f"maximization-{number:03}", made.pixels[:, 0, :, *window], _COLUMNS),
            )
        )
        spent += share
    return tuple(found)


def _tell_part(on_progress: OnProgress, before: float, share: float, done: float) -> None:
    on_progress(min(1.0, before + share * done))


def _costs_up_to(trained: Trained, layers: list[Layer]) -> list[float]:
    """Multiply-adds of one image up to the trunk layer that is or holds each layer, and what goes with an image."""
    whole = trained.cost.look
    trunk = [layer for layer in layers_of(trained) if not layer.depth]
    work = np.cumsum([layer.checked.multiply_adds for layer in trunk])
    rest = whole - work[-1]
    place = {layer.path: number for number, layer in enumerate(trunk)}
    return [float(work[place[layer.path.partition(".")[0]]] + rest) for layer in layers]


def _affordable(widths: list[int], costs: list[float]) -> list[int]:
    """How many channels of each layer: one of each in turn, until the budget is spent or there is no more.

    Where it is small the first layers have some and the last ones none; the very first image is always made.
    """
    counts, left = [0] * len(widths), _BUDGET
    for round_ in range(max(widths, default=0)):
        for number, (width, cost) in enumerate(zip(widths, costs, strict=True)):
            if round_ >= width:
                continue
            if cost > left and any(counts):
                return counts
            counts[number] += 1
            left -= cost
    return counts


def _written(folder: Path, name: str, pixels: Tensor, columns: int) -> Sprite:
    """Images (N, C, H, W) as a sprite, large enough to be looked at."""
    return write_sprite(folder, name, np.stack([enlarge(image) for image in pixels.numpy()]), columns=columns)
