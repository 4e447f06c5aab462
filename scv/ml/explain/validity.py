"""Whether the attributions of a network can be believed.

The weight-randomization test (Adebayo et al. 2018, Sanity Checks for Saliency Maps): layer after layer, from the top,
gets random weights. A map that stays as it was shows the image, not what the network learned.

Deletion and insertion (Petsiuk et al. 2018, RISE): pixels are taken away, or put in, in the order of a map. A map
that finds what counts makes the probability fall, or rise, earlier than a random order does.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from math import sqrt
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name all of torch's own texts use

from scv.data.resident import Resident
from scv.data.splits import probes
from scv.message import Message, say
from scv.ml.colormaps import heat, unit
from scv.ml.explain.attribution import cam_layer, grad_cam, integrated_gradients, occlusion, occlusion_places, pixels_of
from scv.ml.hooks import OnProgress
from scv.ml.predictions import Outcomes
from scv.ml.scores import background, background_text, scores
from scv.ml.sprites import write_sprite
from scv.ml.trained import Trained
from scv.report.attribution import MethodName
from scv.report.validity import Curve, Deletion, Grade, Randomization, RandomizedStep, Validity

SHARES = tuple(n / 20 for n in range(21))

_BUDGET = 2.5e11
"""Multiply-adds that each of the two checks may take: a few seconds on one core."""
_STEPS = 32
_MOST_STAGES = 8
_RANDOM_ORDERS = 4
_FEWEST = 8
"""Of fewer images two standard errors are passed by chance far more often than once in twenty."""
_UNRELATED, _RELATED = 0.3, 0.6
"""Mean rank correlations up to the first are called unrelated, beyond the second the same map."""
_SEED = 20260


def methods_of(trained: Trained) -> tuple[MethodName, ...]:
    """The ways to attribute that this network allows."""
    others: tuple[MethodName, ...] = ("integrated_gradients", "occlusion")
    return ("grad_cam", *others) if cam_layer(trained) else others


def attribute(method: MethodName, trained: Trained, pixels: Tensor, targets: Tensor) -> Tensor:
    """The map of one method as finely as it is computed, (B, h, w); integrated gradients with a fixed 32 steps."""
    if method == "grad_cam":
        return grad_cam(trained, pixels, targets)
    if method == "occlusion":
        return occlusion(trained, pixels, targets)
    return integrated_gradients(trained, pixels, targets, steps=(_STEPS,)).values.sum(1)


def randomized(trained: Trained, seed: int = _SEED) -> Iterator[tuple[str, Trained]]:
    """The network with more and more random layers, from the top, each with the name of its lowest random layer.

    A step is a trunk layer that holds a convolution or a Linear, with the normalizations above it; of deep networks
    several layers are a step. Weights are drawn as before a training; measured means and spreads are kept.
    """
    places = {name: number for number, (name, _) in enumerate(trained.network.named_children())}
    network = deepcopy(trained.network)
    for lowest, names in _stages(trained):
        for name in names:
            _randomize(network.get_submodule(name), seed + places[name])
        yield lowest, replace(trained, network=deepcopy(network))


def _stages(trained: Trained) -> list[tuple[str, list[str]]]:
    """The lowest layer of each step, and all that become random with it, from the top."""
    layers = dict(trained.network.named_children())
    stages: list[tuple[str, list[str]]] = []
    above: list[str] = []
    for name, layer in reversed(layers.items()):
        above.append(name)
        if any(isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) for part in layer.modules()):
            stages.append((name, above))
            above = []
    if above:  # what stands below the lowest of them belongs to it, or is all there is
        lowest, others = stages.pop() if stages else (above[-1], [])
        stages.append((lowest, others + above))
    groups = np.array_split(np.arange(len(stages)), min(len(stages), _MOST_STAGES))
    return [(stages[group[-1]][0], [name for stage in group for name in stages[stage][1]]) for group in groups]


def _randomize(layer: nn.Module, seed: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for part in layer.modules():
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                if part.affine:
                    nn.init.ones_(part.weight)
                    nn.init.zeros_(part.bias)
            elif reset := getattr(part, "reset_parameters", None):
                reset()


def rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Spearman's correlation of two maps, −1 to 1; equal numbers share their rank. 0 where one map is constant."""
    one, other = (_ranks(np.nan_to_num(part, posinf=0, neginf=0).ravel()) for part in (first, second))
    one, other = one - one.mean(), other - other.mean()
    length = sqrt(float(one @ one) * float(other @ other))
    return float(one @ other) / length if length > 0 else 0.0


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last: NDArray[np.float64] = np.cumsum(counts) - (counts - 1) / 2
    return last[inverse]


def orders_by(maps: Tensor, sides: tuple[int, int]) -> Tensor:
    """Pixels from the largest number of a map (B, h, w) to the smallest, (B, H·W); equal ones in random order."""
    fine = F.interpolate(maps[:, None].double(), sides, mode="bilinear").flatten(1)
    lots = torch.rand(fine.shape, generator=torch.Generator().manual_seed(_SEED)).argsort(1)
    return lots.gather(1, fine.gather(1, lots).argsort(dim=1, descending=True, stable=True))


def curves(trained: Trained, pixels: Tensor, targets: Tensor, orders: Tensor) -> tuple[Tensor, Tensor]:
    """Probability of the target after each of `SHARES` was deleted, and inserted: twice (B, 21).

    `orders` (B, H·W) are the pixels, the first to change first; what is deleted becomes the background.
    """
    rank = orders.argsort(1).view(len(pixels), 1, *pixels.shape[2:])
    nothing = background(trained)
    found: list[list[Tensor]] = [[], []]
    for share in SHARES:
        chosen = rank < round(share * orders.shape[1])
        for which, shown in enumerate((~chosen, chosen)):
            answers = scores(trained, torch.where(shown, pixels.float(), nothing)).softmax(1)
            found[which].append(answers.gather(1, targets[:, None])[:, 0])
    return torch.stack(found[0], 1), torch.stack(found[1], 1)


def area(curve: Tensor) -> Tensor:
    """Under curves (B, 21) over `SHARES`, by the trapezoidal rule: (B,)."""
    return torch.trapezoid(curve, torch.tensor(SHARES), dim=1)


def make_validity(
    trained: Trained, resident: Resident, folder: Path, on_progress: OnProgress, outcomes: Outcomes
) -> Validity:
    """The section: both checks for each way to attribute. `outcomes` are those of the test images."""
    methods = methods_of(trained)
    of_a_map = 3 * _STEPS + occlusion_places(resident.shape)
    looks = of_a_map + 2 * len(SHARES) * (len(methods) + _RANDOM_ORDERS)
    some = probes(resident.test_labels, trained.cost.affordable(_BUDGET, looks, 4, 100))
    pixels, targets = pixels_of(resident, some), torch.from_numpy(outcomes.predictions[some])
    maps = {}
    for number, method in enumerate(methods):
        maps[method] = attribute(method, trained, pixels, targets)
        on_progress(0.15 * (number + 1) / len(methods))
    random, deletions = _deletions(trained, pixels, targets, maps, lambda done: on_progress(0.15 + 0.35 * done))
    stages = len(_stages(trained))
    few = min(len(pixels), trained.cost.affordable(_BUDGET, of_a_map * stages, 2, 32))
    first = {method: found[:few] for method, found in maps.items()}
    steps: dict[MethodName, list[RandomizedStep]] = {method: [] for method in methods}
    tiles = {method: [_tile(method, found, pixels)] for method, found in first.items()}
    for number, (layer, changed) in enumerate(randomized(trained)):
        for method in methods:
            now = attribute(method, changed, pixels[:few], targets[:few])
            pairs = zip(first[method].double().numpy(), now.double().numpy(), strict=True)
            similarity = float(np.mean([rank_correlation(*pair) for pair in pairs]))
            steps[method].append(RandomizedStep(layer=layer, similarity=similarity))
            tiles[method].append(_tile(method, now, pixels))
        on_progress(0.5 + 0.5 * (number + 1) / stages)
    return Validity(
        images=len(pixels),
        background=background_text(trained),
        shares=SHARES,
        random=random,
        deletions=deletions,
        randomization_images=few,
        randomizations=tuple(_randomization(method, steps[method], tiles[method], folder) for method in methods),
        caution=say(
            "Images with removed pixels are unlike the training images. So these curves compare maps of one "
            "network, not networks with each other."
        ),
    )


def _deletions(
    trained: Trained, pixels: Tensor, targets: Tensor, maps: dict[MethodName, Tensor], on_progress: OnProgress
) -> tuple[Curve, tuple[Deletion, ...]]:
    sides = (pixels.shape[2], pixels.shape[3])
    generator = torch.Generator().manual_seed(_SEED)
    runs, rounds = [], _RANDOM_ORDERS + len(maps)
    for number in range(_RANDOM_ORDERS):
        lots = torch.rand(len(pixels), sides[0] * sides[1], generator=generator).argsort(1)
        runs.append(torch.stack(curves(trained, pixels, targets, lots)))
        on_progress((number + 1) / rounds)
    random = torch.stack(runs).mean(0)  # (2, B, 21)
    found = []
    for number, (method, made) in enumerate(maps.items()):
        by_map = torch.stack(curves(trained, pixels, targets, orders_by(made, sides)))
        gains = area(random[0]) - area(by_map[0])  # (B,)
        advantage, error = float(gains.mean()), _standard_error(gains)
        grade, verdict = _deletion_verdict(advantage, error, len(gains))
        found.append(
            Deletion(
                method=method, curve=_curve(by_map), advantage=advantage, error=error, grade=grade, verdict=verdict
            )
        )
        on_progress((_RANDOM_ORDERS + number + 1) / rounds)
    return _curve(random), tuple(found)


def _curve(both: Tensor) -> Curve:
    deletion, insertion = both  # (B, 21) each
    return Curve(
        deletion=tuple(deletion.mean(0).tolist()),
        insertion=tuple(insertion.mean(0).tolist()),
        deletion_area=float(area(deletion).mean()),
        insertion_area=float(area(insertion).mean()),
    )


def _standard_error(gains: Tensor) -> float:
    return float(gains.std()) / sqrt(len(gains)) if len(gains) > 1 else 0.0


def _deletion_verdict(advantage: float, error: float, images: int) -> tuple[Grade, Message]:
    if images < _FEWEST:
        return "fair", say("{images} images are too few to tell.", images=images)
    if advantage > 2 * error:
        return "good", say(
            "It finds what matters: removing its pixels first lowers the score sooner than removing random ones."
        )
    if advantage < -2 * error:
        return "poor", say(
            "It misses what matters: removing its pixels first lowers the score later than removing random ones."
        )
    return "fair", say("Unclear: removing its pixels first does no more than removing random ones.")


def _randomization(
    method: MethodName, steps: list[RandomizedStep], tiles: list[NDArray[np.uint8]], folder: Path
) -> Randomization:
    left = abs(steps[-1].similarity)
    grade: Grade
    if left <= _UNRELATED:
        grade, verdict = "good", say("It depends on the learned weights: with random weights the map changes.")
    elif left <= _RELATED:
        grade, verdict = (
            "fair",
            say("In part it shows only the image: with random weights some of the map remains."),
        )
    else:
        grade, verdict = (
            "poor",
            say("It shows the image rather than what the network learned: with random weights the map remains."),
        )
    return Randomization(
        method=method,
        steps=tuple(steps),
        grade=grade,
        verdict=verdict,
        tiles=write_sprite(folder, f"validity-{method}", np.stack(tiles), columns=len(tiles)),
    )


def _tile(method: MethodName, maps: Tensor, pixels: Tensor) -> NDArray[np.uint8]:
    return heat(unit(maps[:1].double().numpy())[0], pixels[0].numpy(), signed=method != "grad_cam")
