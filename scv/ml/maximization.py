"""Pictures made from noise so that a class, or a channel, answers most: activation maximization.

Plain gradient ascent finds noise that only the network takes for a digit. What makes these readable:

- The picture of every step is turned, shifted, scaled, made fainter and noisy by chance, so what it shows must hold
  beyond single pixels. (Olah et al. 2017, Feature Visualization: transformation robustness.)
- Total variation (Mahendran and Vedaldi 2015) and the distance from the background cost something: smooth shapes
  with as little ink as possible.
- Where there is a goal, such as the best test picture's score, that price rises while the picture is above it and
  falls while it is below. So each picture is the plainest found that outdoes the real ones, for every network: those
  whose scores are without bounds would else fill the whole picture.
- Each picture's gradient is scaled to a root mean square of 1, so the same settings serve every network.
- Of a class's score half of the logarithm of all the others' summed exponentials is taken off, else the picture
  shows what several classes have in common.

A pixel stays within 0 to 255 by clipping after each step. All pictures of a batch are made together.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import radians
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name all of torch's own texts use

from scv.blocks.message import say
from scv.blocks.report.maximization import ChannelImages, Imagined, Maximization
from scv.data.resident import Resident
from scv.ml.attribution import look
from scv.ml.paint import enlarge, save_tiles
from scv.ml.scores import Tell, background, cost_of, score_layers, scores, slices
from scv.ml.trained import Trained

STEPS = 256

_RATE = 0.1
_MOMENTUM = 0.9
_NOISE_AT_FIRST = 0.5
_TURN, _SHIFT, _SCALE, _FAINTEST, _NOISE = 12.0, 0.07, 0.12, 0.5, 0.1
"""Degrees, shares of a side, of the size, of the contrast, and of the range of pixels."""
_VARIATION, _INK = 0.1, 0.1
_SOFT = 0.02
"""Differences below this are treated as their squares: the slope of an amount has a jump at 0."""
_OTHERS = 0.5
_DEARER, _CHEAPER, _CHEAPEST, _DEAREST = 1.15, 1.05, 0.02, 8.0
"""The price rises faster than it falls: a picture that was cluttered once does not become plain again."""
_WAIT = 0.25
"""It falls only after this share of the steps: a shape is still growing then."""
_ABOVE = 0.005
"""The goal is outdone by this share of it at least."""
_LOOKS = 3.5
"""Forward passes that a step costs: forward, backward, and every other step one at the picture as it is."""
_BUDGET = 4e11
"""Multiply-adds: about ten seconds on one core."""
_SEEDS = 3
_SEED = 20260
_COLUMNS = 10


class Maximized(NamedTuple):
    """Pictures uint8 (targets, seeds, C, H, W), and what the network answers to them (targets, seeds)."""

    pixels: Tensor
    answers: Tensor


def maximize(
    trained: Trained,
    targets: Sequence[int],
    seeds: int = _SEEDS,
    steps: int = STEPS,
    tell: Tell = lambda done: None,
    *,
    goals: Tensor | None = None,
    layer: str | None = None,
) -> Maximized:
    """Make pictures to which classes, or channels of a trunk layer, answer most.

    `targets` are classes, whose answer is their score before any Softmax; with a `layer`, its channels, whose answer
    is their mean over the picture. `goals` (targets,) are answers to be outdone, with as little ink as that takes.
    Raises `KeyError` where there is no such layer.
    """
    shape = trained.info.input_shape
    answer = _answer(trained, layer)
    wanted = torch.tensor(list(targets)).repeat_interleave(seeds)
    if goals is not None:
        goals = goals.repeat_interleave(seeds)
        goals = goals + _ABOVE * goals.abs()
    pixels, answers = [], []
    for some in slices(len(wanted), cost_of(trained).at_once):
        part = _ascend(
            trained,
            answer,
            wanted[some],
            None if goals is None else goals[some],
            steps,
            generator=torch.Generator().manual_seed(_SEED + some.start),
            rivals=layer is None,
            tell=partial(_tell_part, tell, some, len(wanted)),
        )
        pixels.append(part)
        with torch.no_grad():
            answers.append(answer(trained.normalize(part)).gather(1, wanted[some, None])[:, 0])
    return Maximized(torch.cat(pixels).view(len(targets), seeds, *shape), torch.cat(answers).view(len(targets), seeds))


def _tell_part(tell: Tell, some: slice, count: int, done: float) -> None:
    tell((some.start + done * (some.stop - some.start)) / count)


def _answer(trained: Trained, layer: str | None) -> Callable[[Tensor], Tensor]:
    """From normalized pictures to the answers of all classes, or of all channels of a layer, (B, K)."""
    if layer is None:
        return score_layers(trained)
    names = [name for name, _ in trained.network.named_children()]
    if layer not in names:
        raise KeyError(layer)
    below = trained.network[: names.index(layer) + 1].eval()

    def means(inputs: Tensor) -> Tensor:
        found: Tensor = below(inputs)
        return found.flatten(2).mean(2) if found.dim() == 4 else found

    return means


def _ascend(
    trained: Trained,
    answer: Callable[[Tensor], Tensor],
    wanted: Tensor,
    goals: Tensor | None,
    steps: int,
    *,
    generator: torch.Generator,
    rivals: bool,
    tell: Tell,
) -> Tensor:
    """Gradient ascent with momentum from noise around the background, uint8 (B, C, H, W)."""
    count = len(wanted)
    empty = background(trained) / 255
    noise = torch.randn(count, *trained.info.input_shape, generator=generator)
    picture = (empty + _NOISE_AT_FIRST * noise).clamp(0, 1)
    best, reached = picture, torch.zeros(count, dtype=torch.bool)
    highest = torch.full((count,), -torch.inf)
    speed, price = torch.zeros_like(picture), torch.ones(count, 1, 1, 1)
    for step in range(steps):
        with torch.enable_grad():
            leaf = picture.clone().requires_grad_()
            answers = answer(trained.normalize(255 * _varied(leaf, empty, generator)))
            gains = answers.gather(1, wanted[:, None])[:, 0]
            if rivals and answers.shape[1] > 1:
                gains = gains - _OTHERS * answers.scatter(1, wanted[:, None], -torch.inf).logsumexp(1)
            (slope,) = torch.autograd.grad(gains.sum(), leaf)
        slope = slope.nan_to_num(0, 0, 0)
        slope = slope / slope.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        cost = _VARIATION * _variation_slope(picture) + _INK * _soft_sign(picture - empty)
        speed = _MOMENTUM * speed + (1 - _MOMENTUM) * (slope - price * cost)
        picture = (picture + _RATE * (1 - step / steps) * speed).clamp(0, 1)
        if step % 2 or step == steps - 1:
            with torch.no_grad():
                now = answer(trained.normalize((255 * picture).round())).gather(1, wanted[:, None])[:, 0]
            if goals is None:
                best = picture
            else:
                above = now > goals
                falling = 1 / _CHEAPER if step > _WAIT * steps else 1.0
                price = price * torch.where(above, _DEARER, falling)[:, None, None, None]
                price = price.clamp(_CHEAPEST, _DEAREST)
                better = above | (~reached & (now > highest))
                best = torch.where(better[:, None, None, None], picture, best)
                reached, highest = reached | above, torch.maximum(highest, now)
        tell((step + 1) / steps)
    return (255 * best).round().byte()


def _varied(pictures: Tensor, empty: Tensor, generator: torch.Generator) -> Tensor:
    """Each picture turned, scaled, shifted, fainter and noisy by chance; what comes in from outside is background."""
    count = len(pictures)

    def chance() -> Tensor:
        return 2 * torch.rand(count, generator=generator) - 1

    angle, scale = radians(_TURN) * chance(), 1 + _SCALE * chance()
    down, right = 2 * _SHIFT * chance(), 2 * _SHIFT * chance()
    cos, sin = scale * angle.cos(), scale * angle.sin()
    rows = torch.stack([torch.stack([cos, -sin, right], 1), torch.stack([sin, cos, down], 1)], 1)  # (B, 2, 3)
    grid = F.affine_grid(rows, list(pictures.shape), align_corners=False)
    moved = F.grid_sample(pictures - empty, grid, align_corners=False)
    faint = 1 - (1 - _FAINTEST) * torch.rand(count, 1, 1, 1, generator=generator)
    return empty + faint * moved + _NOISE * torch.randn(pictures.shape, generator=generator)


def _soft_sign(values: Tensor) -> Tensor:
    return values / (values.square() + _SOFT**2).sqrt()


def _variation_slope(pictures: Tensor) -> Tensor:
    """The slope of the total variation: of all differences between neighbours, summed up."""
    slope = torch.zeros_like(pictures)
    for dim in (2, 3):
        difference = _soft_sign(pictures.diff(dim=dim))
        last = pictures.shape[dim] - 1
        slope.narrow(dim, 1, last).add_(difference)
        slope.narrow(dim, 0, last).sub_(difference)
    return slope


def make_maximization(trained: Trained, resident: Resident, folder: Path, tell: Tell) -> Maximization:
    """The section: for each class what it would like to see, from several seeds."""
    cost, classes = cost_of(trained), trained.info.classes
    every = look(trained, resident, cost.affordable(_BUDGET / 4, 1, 200, 10_000))
    tell(0.1)
    pictures = cost.affordable(_BUDGET, _LOOKS * STEPS, 4, _SEEDS * classes)
    seeds = max(1, pictures // classes)
    shown = np.unique(np.linspace(0, classes - 1, min(classes, pictures)).astype(int))
    best = torch.tensor([every.own_scores[every.labels == label].max(initial=-np.inf) for label in shown]).float()
    known = torch.isfinite(best)
    # A class without a test picture has to outdo the lowest of the others' goals.
    goals = torch.where(known, best, best[known].min() if known.any() else torch.tensor(0.0))
    made = maximize(trained, shown.tolist(), seeds, STEPS, lambda done: tell(0.1 + 0.9 * done), goals=goals)
    flat = made.pixels.flatten(0, 1)
    probabilities = scores(trained, flat).softmax(1).view(len(shown), seeds, -1)
    notes = []
    missed = int((made.answers.amax(1) <= goals).sum())
    if missed:
        notes.append(say("{count} of the classes stay below their best test picture.", count=missed))
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
        looked_at=len(every.indices),
        tiles=save_tiles(folder, "maximization.png", [enlarge(picture) for picture in flat.numpy()], seeds * 4),
        method=say(
            "From noise, {steps} steps uphill: the plainest picture found whose score outdoes every test picture of "
            "the class. It shows what this network goes by, which need not be what people see.",
            steps=STEPS,
        ),
        notes=tuple(notes),
    )


def make_channel_images(
    trained: Trained, layer: str, folder: Path, tell: Tell, *, budget: float = _BUDGET
) -> ChannelImages:
    """On demand: what the channels of one trunk layer would like to see, as many as `budget` multiply-adds allow.

    The file is called after the layer. Raises `KeyError` where there is no such layer.
    """
    with torch.no_grad():
        empty = background(trained).expand(1, *trained.info.input_shape)
        width = _answer(trained, layer)(trained.normalize(empty)).shape[1]
    channels = range(min(width, cost_of(trained).affordable(budget, _LOOKS * STEPS, 1, width)))
    made = maximize(trained, channels, 1, STEPS, tell, layer=layer)
    pictures = [enlarge(picture) for picture in made.pixels[:, 0].numpy()]
    return ChannelImages(
        layer=layer,
        channels=tuple(channels),
        answers=tuple(made.answers[:, 0].tolist()),
        left_out=width - len(channels),
        steps=STEPS,
        tiles=save_tiles(folder, f"maximization_{layer}.png", pictures, _COLUMNS),
        method=say("From noise, {steps} steps uphill: what raises the mean of each channel.", steps=STEPS),
    )
