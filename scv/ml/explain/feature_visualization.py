"""Images made from noise so that a class, or a channel, answers most: activation maximization.

Plain gradient ascent finds noise that only the network takes for a digit. What makes these readable:

- The image of every step is turned, shifted, scaled, made fainter and noisy by chance, so what it shows must hold
  beyond single pixels. (Olah et al. 2017, Feature Visualization: transformation robustness.)
- Total variation (Mahendran and Vedaldi 2015) and the distance from the background cost something: smooth shapes
  with as little ink as possible.
- Where there is a goal, such as the best test image's score, that price rises while the image is above it and
  falls while it is below. So each image is the plainest found that outdoes the real ones, for every network: those
  whose scores are without bounds would else fill the whole image.
- Each image's gradient is scaled to a root mean square of 1, so the same settings serve every network.
- Of a class's score half of the logarithm of all the others' summed exponentials is taken off, else the image
  shows what several classes have in common.
- Of a channel it is the place in the middle of its map that is raised, the neuron objective of Olah et al.: its mean
  over all places shows a texture without an end, and for a first layer mostly plain black or white.

A pixel stays within 0 to 255 by clipping after each step. All images of a batch are made together.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import radians
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name all of torch's own texts use

from scv.ml.hooks import Layer, OnProgress, watching
from scv.ml.scores import background, score_layers, slices
from scv.ml.trained import Trained

STEPS = 256

_RATE = 0.1
_MOMENTUM = 0.9
_NOISE_AT_FIRST = 0.5
_TURN, _SHIFT, _SCALE, _FAINTEST, _NOISE = 12.0, 0.07, 0.12, 0.5, 0.1
"""Degrees, shares of the side of what is seen, of the size, of the contrast, and of the range of pixels."""
_VARIATION, _INK = 0.1, 0.1
_SOFT = 0.02
"""Differences below this are treated as their squares: the slope of an amount has a jump at 0."""
_OTHERS = 0.5
_DEARER, _CHEAPER, _CHEAPEST, _DEAREST = 1.15, 1.05, 0.02, 8.0
"""The price rises faster than it falls: an image that was cluttered once does not become plain again."""
_WAIT = 0.25
"""It falls only after this share of the steps: a shape is still growing then."""
_ABOVE = 0.005
"""The goal is outdone by this share of it at least."""
LOOKS = 3.5
"""Forward passes that a step costs: forward, backward, and every other step one at the image as it is."""
_SEED = 20260


class Maximized(NamedTuple):
    """Images uint8 (targets, seeds, C, H, W), and what the network answers to them (targets, seeds)."""

    pixels: Tensor
    answers: Tensor


def maximize(
    trained: Trained,
    targets: Sequence[int],
    seeds: int,
    steps: int = STEPS,
    on_progress: OnProgress = lambda done: None,
    *,
    goals: Tensor | None = None,
    layer: Layer | None = None,
) -> Maximized:
    """Make images to which classes, or channels of a layer, answer most.

    `targets` are classes, whose answer is their score before any Softmax; with a `layer`, its channels, whose answer
    is the number in the middle of their map, or units of its vector. `goals` (targets,) are answers to be outdone,
    with as little ink as that takes.
    """
    shape = trained.info.input_shape
    answer = _answer(trained, layer)
    wanted = torch.tensor(list(targets)).repeat_interleave(seeds)
    if goals is not None:
        goals = goals.repeat_interleave(seeds)
        goals = goals + _ABOVE * goals.abs()
    pixels, answers = [], []
    for some in slices(len(wanted), trained.cost.at_once):
        part = _ascend(
            trained,
            answer,
            wanted[some],
            None if goals is None else goals[some],
            steps,
            generator=torch.Generator().manual_seed(_SEED + some.start),
            rivals=layer is None,
            sees=(layer and layer.checked.sees) or (shape[1], shape[2]),
            on_progress=partial(_tell_part, on_progress, some, len(wanted)),
        )
        pixels.append(part)
        with torch.no_grad():
            answers.append(answer(trained.normalize(part)).gather(1, wanted[some, None])[:, 0])
    return Maximized(torch.cat(pixels).view(len(targets), seeds, *shape), torch.cat(answers).view(len(targets), seeds))


def _tell_part(on_progress: OnProgress, some: slice, count: int, done: float) -> None:
    on_progress((some.start + done * (some.stop - some.start)) / count)


def _answer(trained: Trained, layer: Layer | None) -> Callable[[Tensor], Tensor]:
    """From normalized images to the answers of all classes, or of all channels of a layer, (B, K)."""
    if layer is None:
        return score_layers(trained)
    names = [name for name, _ in trained.network.named_children()]
    below = trained.network[: names.index(layer.path.partition(".")[0]) + 1].eval()

    def middle(inputs: Tensor) -> Tensor:
        found = []

        def see(number: int, output: Tensor) -> None:
            maps = output.flatten(2)[:, :, _middle_of(output)] if output.dim() == 4 else output
            found.append(maps.clone())  # what follows may work in place

        with watching([layer], see):
            below(inputs)
        return found[0]

    return middle


def window_of(trained: Trained, layer: Layer) -> tuple[slice, slice]:
    """The rows and columns of an image that the middle of a layer's maps depends on, or a vector's units."""
    answer = _answer(trained, layer)
    noise = torch.rand(4, *trained.info.input_shape, generator=torch.Generator().manual_seed(_SEED))
    with torch.enable_grad():
        leaf = (255 * noise).requires_grad_()
        (slope,) = torch.autograd.grad(answer(trained.normalize(leaf)).abs().sum(), leaf)
    moved = slope.nan_to_num().abs().sum((0, 1)) > 0  # (H, W)
    rows, columns = (moved.any(axis).nonzero()[:, 0].tolist() or [0, len(moved.any(axis)) - 1] for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _middle_of(maps: Tensor) -> int:
    """The place in the middle among all places of maps (B, C, H, W)."""
    _, _, height, width = maps.shape
    return height // 2 * width + width // 2


def _ascend(
    trained: Trained,
    answer: Callable[[Tensor], Tensor],
    wanted: Tensor,
    goals: Tensor | None,
    steps: int,
    *,
    generator: torch.Generator,
    rivals: bool,
    sees: tuple[int, int],
    on_progress: OnProgress,
) -> Tensor:
    """Gradient ascent with momentum from noise around the background, uint8 (B, C, H, W)."""
    count = len(wanted)
    empty = background(trained) / 255
    noise = torch.randn(count, *trained.info.input_shape, generator=generator)
    image = (empty + _NOISE_AT_FIRST * noise).clamp(0, 1)
    best = _Best(image)
    speed = torch.zeros_like(image)
    for step in range(steps):
        with torch.enable_grad():
            leaf = image.clone().requires_grad_()
            answers = answer(trained.normalize(255 * _varied(leaf, empty, sees, generator)))
            gains = answers.gather(1, wanted[:, None])[:, 0]
            if rivals and answers.shape[1] > 1:
                gains = gains - _OTHERS * answers.scatter(1, wanted[:, None], -torch.inf).logsumexp(1)
            (slope,) = torch.autograd.grad(gains.sum(), leaf)
        slope = slope.nan_to_num(0, 0, 0)
        slope = slope / slope.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        cost = _VARIATION * _variation_slope(image) + _INK * _soft_sign(image - empty)
        speed = _MOMENTUM * speed + (1 - _MOMENTUM) * (slope - best.price * cost)
        image = (image + _RATE * (1 - step / steps) * speed).clamp(0, 1)
        if goals is None:
            best.images = image
        elif step % 2 or step == steps - 1:
            with torch.no_grad():
                now = answer(trained.normalize((255 * image).round())).gather(1, wanted[:, None])[:, 0]
            best.compare(image, now, goals, falling=step > _WAIT * steps)
        on_progress((step + 1) / steps)
    return (255 * best.images).round().byte()


class _Best:
    """The best images so far, (B, C, H, W), and the price of ink of each.

    While an image is above its goal ink grows dearer, so that it gets by with less; below its goal, cheaper.
    """

    def __init__(self, images: Tensor) -> None:
        count = len(images)
        self.images = images
        self.price = torch.ones(count, 1, 1, 1)
        self._reached = torch.zeros(count, dtype=torch.bool)
        self._highest = torch.full((count,), -torch.inf)

    def compare(self, images: Tensor, now: Tensor, goals: Tensor, *, falling: bool) -> None:
        """Keep those of `images` that are above their goals, or else higher than any before. `now` (B,) is their
        answer; with `falling` the price may fall too."""
        above = now > goals
        change = torch.where(above, _DEARER, 1 / _CHEAPER if falling else 1.0)
        self.price = (self.price * change[:, None, None, None]).clamp(_CHEAPEST, _DEAREST)
        better = above | (~self._reached & (now > self._highest))
        self.images = torch.where(better[:, None, None, None], images, self.images)
        self._reached, self._highest = self._reached | above, torch.maximum(self._highest, now)


def _varied(images: Tensor, empty: Tensor, sees: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Each image turned, scaled, shifted, fainter and noisy by chance; what comes in from outside is background.

    Shifts are small beside `sees`, the height and width of what counts.
    """
    count, _, height, width = images.shape

    def chance() -> Tensor:
        return 2 * torch.rand(count, generator=generator) - 1

    angle, scale = radians(_TURN) * chance(), 1 + _SCALE * chance()
    down, right = 2 * _SHIFT * sees[0] / height * chance(), 2 * _SHIFT * sees[1] / width * chance()
    cos, sin = scale * angle.cos(), scale * angle.sin()
    rows = torch.stack([torch.stack([cos, -sin, right], 1), torch.stack([sin, cos, down], 1)], 1)  # (B, 2, 3)
    grid = F.affine_grid(rows, list(images.shape), align_corners=False)
    moved = F.grid_sample(images - empty, grid, align_corners=False)
    faint = 1 - (1 - _FAINTEST) * torch.rand(count, 1, 1, 1, generator=generator)
    return empty + faint * moved + _NOISE * torch.randn(images.shape, generator=generator)


def _soft_sign(values: Tensor) -> Tensor:
    return values / (values.square() + _SOFT**2).sqrt()


def _variation_slope(images: Tensor) -> Tensor:
    """The slope of the total variation: of all differences between neighbours, summed up."""
    slope = torch.zeros_like(images)
    for dim in (2, 3):
        difference = _soft_sign(images.diff(dim=dim))
        last = images.shape[dim] - 1
        slope.narrow(dim, 1, last).add_(difference)
        slope.narrow(dim, 0, last).sub_(difference)
    return slope
