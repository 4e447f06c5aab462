"""The layers of a trained network: costs, weights, what they give, and what the first one looks for."""

from math import sqrt
from pathlib import Path

import torch
from torch import Tensor

from scv.blocks.catalogue.all import CATALOGUE
from scv.data.resident import Resident
from scv.data.splits import probes
from scv.ml.hooks import Layer, OnProgress, batches, layers_of, watching
from scv.ml.report.kernels import first_kernels
from scv.ml.trained import Trained
from scv.report.layers import ActivationStatistics, LayerFigures, Layers, WeightStatistics

_SAMPLE = 500
"""Test images whose activations are counted, where that costs no more than `_WORK`."""

_WORK = 5_000_000_000
"""Multiply-adds: about half a second on one core."""

_FEWEST = 50

_NAMED = 100
"""Dead channels that are listed of a layer."""

_NEARLY = 1e-6
"""Of a layer's largest magnitude: numbers that differ by no more are the same but for rounding."""

_BOUND = 1e18
"""Numbers are cut off there, so that their squares can be summed: nothing that works comes near it."""


def make_layers(trained: Trained, resident: Resident, folder: Path, on_progress: OnProgress) -> Layers:
    """The section."""
    layers = layers_of(trained)
    wanted = max(_FEWEST, min(_SAMPLE, _WORK // trained.cost.answer))
    sample = probes(resident.test_labels, wanted)
    watches = [_Watch(layer) for layer in layers]
    done = 0
    with torch.inference_mode(), watching(layers, lambda number, output: watches[number].see(output)):
        for part, pixels in batches(trained, resident.test_images, sample):
            trained.logits(pixels)
            done += len(part)
            on_progress(0.9 * done / len(sample))
    kernels, reason = first_kernels(trained, layers, folder)
    return Layers(
        images=len(sample),
        parameters=trained.checked.parameters,
        multiply_adds=trained.checked.multiply_adds,
        layers=tuple(_figures(layer, watch, len(sample)) for layer, watch in zip(layers, watches, strict=True)),
        kernels=kernels,
        no_kernels=reason,
    )


class _Watch:
    """Sums up what one layer gives, a batch at a time; Chan et al. 1983 say how variances are put together."""

    def __init__(self, layer: Layer) -> None:
        self.channels = layer.channels
        self.count, self.mean, self.squares, self.zeros = 0, 0.0, 0.0, 0
        self.lows = torch.full((max(1, self.channels),), torch.inf)
        self.highs = -self.lows

    def see(self, output: Tensor) -> None:
        """(B, *output)."""
        low, high = output.amin().item(), output.amax().item()
        if not (low >= -_BOUND and high <= _BOUND):  # NaN fails as well
            output = output.nan_to_num().clamp(-_BOUND, _BOUND)
        variance, mean = (value.item() for value in torch.var_mean(output, correction=0))
        count = output.numel()
        apart, both = mean - self.mean, self.count + count
        self.squares += variance * count + apart * apart * self.count * count / both
        self.mean += apart * count / both
        self.count = both
        self.zeros += count - int(output.count_nonzero())
        each = output if self.channels else output.reshape(-1, 1)
        others = [dimension for dimension in range(each.ndim) if dimension != 1]
        self.lows = torch.minimum(self.lows, each.amin(others))
        self.highs = torch.maximum(self.highs, each.amax(others))

    def statistics(self) -> ActivationStatistics:
        return ActivationStatistics(
            mean=self.mean,
            deviation=sqrt(self.squares / self.count),
            zeros=self.zeros / self.count,
            low=float(self.lows.min()),
            high=float(self.highs.max()),
        )

    def dead(self) -> list[int]:
        """The channels that gave one number alone."""
        if not self.channels:
            return []
        largest = max(abs(float(self.lows.min())), abs(float(self.highs.max())))
        return [int(number) for number in torch.nonzero(self.highs - self.lows <= _NEARLY * largest)]


def _figures(layer: Layer, watch: _Watch, images: int) -> LayerFigures:
    checked = layer.checked
    # Of one image every number is the same, and what a Dropout gives it was given.
    dead = watch.dead() if images > 1 and CATALOGUE[checked.type].category != "regularization" else []
    return LayerFigures(
        block=checked.id,
        type=checked.type,
        category=CATALOGUE[checked.type].category,
        path=layer.path,
        into=checked.into,
        branch=checked.branch,
        depth=layer.depth,
        input=checked.input or (),
        output=layer.output,
        parameters=checked.parameters,
        multiply_adds=checked.multiply_adds,
        weights=() if layer.holds_others else _weights(layer),
        activation=watch.statistics(),
        channels=watch.channels,
        dead_channels=len(dead),
        dead=tuple(dead[:_NAMED]),
    )


def _weights(layer: Layer) -> tuple[WeightStatistics, ...]:
    found = []
    for name, parameter in layer.module.named_parameters():
        numbers = parameter.detach().nan_to_num().clamp(-_BOUND, _BOUND)
        variance, mean = (value.item() for value in torch.var_mean(numbers, correction=0))
        zeros = 1 - int(numbers.count_nonzero()) / numbers.numel()
        norm = sqrt(numbers.numel() * (variance + mean * mean))
        found.append(WeightStatistics(name, tuple(numbers.shape), mean, sqrt(variance), zeros, norm))
    return tuple(found)
