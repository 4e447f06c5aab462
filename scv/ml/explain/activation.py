"""Which images excite each channel of each layer most, and where: found in one pass, drawn in a second one.

The first pass keeps, for every channel, the largest numbers and whose they are, so its memory does not grow with the
number of images. The second shows the network only the images that are drawn. (Zeiler and Fergus 2014, Visualizing and
Understanding Convolutional Networks, show the nine.)
"""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name all of torch's own texts use

from scv.blocks.shapes import Shape, is_tensor
from scv.data.resident import Resident
from scv.data.splits import probes
from scv.ml.hooks import Layer, OnProgress, batches, layers_of, watching
from scv.ml.sprites import Tiles, enlargement, thumbnail_size, thumbnails, write_sprite, write_thumbnails
from scv.ml.trained import Trained
from scv.report.activation import Activation, ChannelActivations, Details, LayerActivations
from scv.report.sprites import Sprite

MOST_EXCITING = 9

_SAMPLES = 10
"""Images whose maps can be seen of every channel."""

_WORK = 200_000_000_000
"""Multiply-adds of the first pass; the largest starter sees half of MNIST's test images with it."""

_FEWEST = 1000

_CHANNELS = 512
"""Channels of a layer that are drawn."""

_TILES = 1_000_000
"""Maps of all layers together."""

_PIXELS = 2**24
"""Of all maps together, and of all images: 16 MB of grey ones before they are compressed."""


def make_activation(trained: Trained, resident: Resident, folder: Path, on_progress: OnProgress) -> Activation:
    """The section, and a file of details for each layer."""
    images = resident.test_images
    layers = [layer for layer in layers_of(trained) if layer.channels]
    looked = probes(resident.test_labels, max(_FEWEST, _WORK // trained.cost.answer))
    samples = probes(resident.test_labels, min(_SAMPLES, len(looked)))
    best = min(MOST_EXCITING, len(looked))
    most = min(_CHANNELS, _TILES // ((best + len(samples)) * len(layers)))
    found = [_Found(layer, best, min(layer.channels, most)) for layer in layers]

    done = 0
    with torch.inference_mode():
        for part, pixels in batches(trained, images, looked):
            seen = torch.from_numpy(part)
            with watching(layers, lambda number, output, seen=seen: found[number].search(output, seen)):  # type: ignore[misc]
                trained.logits(pixels)
            done += len(part)
            on_progress(0.5 * done / len(looked))
        _draw(trained, found, resident, samples, on_progress)

    overview = []
    tiles = sum(one.shown for one in found) * best
    for number, one in enumerate(found):
        size = _size(images.shape[2:], one.shown * best, tiles)
        overview.append(_write_layer(one, images, size, folder, f"activation-{number:03}"))
        on_progress(0.85 + 0.15 * (number + 1) / len(found))
    sprite = write_thumbnails(folder, "activation-samples", images, samples)
    assert sprite is not None, "a dataset has test images"  # noqa: S101
    return Activation(
        looked=len(looked),
        images=len(images),
        samples=tuple(samples.tolist()),
        sprite=sprite,
        layers=tuple(overview),
    )


def _write_layer(
    one: "_Found", images: NDArray[np.uint8], size: tuple[int, int], folder: Path, name: str
) -> LayerActivations:
    """Write a layer's details as `{name}.json`; its row of the overview."""
    details = one.details(images, size, folder, name)
    (folder / f"{name}.json").write_bytes(msgspec.json.encode(details))
    layer = one.layer
    return LayerActivations(
        block=layer.checked.id,
        type=layer.checked.type,
        path=layer.path,
        output=layer.output,
        channels=layer.channels,
        shown=one.shown,
        file=f"{name}.json",
    )


@dataclass
class _Found:
    """What is known of one layer's first `shown` channels so far; `maps` and `sample_maps` are filled while drawing."""

    layer: Layer
    best: int
    shown: int
    peaks: Tensor = field(init=False)  # (0 to best, shown), the largest first
    images: Tensor = field(init=False)  # whose they are
    low: Tensor = field(init=False)  # (shown,)
    high: Tensor = field(init=False)
    maps: Tiles | None = None  # (shown, best, height, width)
    sample_maps: Tiles | None = None  # (shown, samples, height, width)
    sample_values: NDArray[np.float32] | None = None  # (shown, samples)

    def __post_init__(self) -> None:
        self.peaks = torch.empty(0, self.shown)
        self.images = torch.empty(0, self.shown, dtype=torch.int64)
        self.low = torch.full((self.shown,), torch.inf)
        self.high = -self.low

    @property
    def is_map(self) -> bool:
        return is_tensor(self.layer.output)

    def search(self, output: Tensor, seen: Tensor) -> None:
        """Compare the images `seen`, (B,), with the best so far."""
        numbers = output[:, : self.shown]
        highest = (numbers.amax((2, 3)) if self.is_map else numbers).nan_to_num()  # (B, shown)
        lowest = (numbers.amin((2, 3)) if self.is_map else numbers).nan_to_num()
        self.low = torch.minimum(self.low, lowest.amin(0))
        self.high = torch.maximum(self.high, highest.amax(0))
        peaks = torch.cat([self.peaks, highest])
        images = torch.cat([self.images, seen[:, None].expand(-1, self.shown)])
        self.peaks, order = peaks.topk(min(self.best, len(peaks)), dim=0)
        self.images = images.gather(0, order)

    def draw(self, output: Tensor, wanted: NDArray[np.bool_], rows: NDArray[np.intp], into: Tiles) -> None:
        """Fill the maps of `into`, (shown, n, height, width), where `wanted`, (shown, n), from the batch's `rows`."""
        channel, place = np.nonzero(wanted)
        if not len(channel):
            return
        chosen = output[torch.from_numpy(rows[channel, place]), torch.from_numpy(channel)].nan_to_num()  # (m, H, W)
        size = into.shape[2:]
        if chosen.shape[1:] != size:
            chosen = F.adaptive_avg_pool2d(chosen, size)
        low, high = (bound[torch.from_numpy(channel)][:, None, None].double() for bound in (self.low, self.high))
        shares = (chosen.double() - low) / (high - low).clamp(min=torch.finfo(torch.float32).tiny)
        into[channel, place] = (255 * shares).round().clamp(0, 255).to(torch.uint8).numpy()

    def details(self, images: NDArray[np.uint8], size: tuple[int, int], folder: Path, name: str) -> Details:
        """Write the images, and say what they show."""
        chosen = self.images.T.numpy()  # (shown, best)
        peaks = self.peaks.T.double().numpy()
        values = self.sample_values
        channels = tuple(
            ChannelActivations(
                low=_short(float(self.low[number])),
                high=_short(float(self.high[number])),
                images=tuple(chosen[number].tolist()),
                peaks=tuple(map(_short, peaks[number].tolist())),
                samples=() if values is None else tuple(map(_short, values[number].tolist())),
            )
            for number in range(self.shown)
        )
        sprite = write_sprite(folder, f"{name}-images", thumbnails(images, chosen.reshape(-1), size))
        return Details(
            channels,
            sprite,
            _maps(folder, f"{name}-maps", self.maps),
            _maps(folder, f"{name}-samples", self.sample_maps),
        )


def _draw(
    trained: Trained, found: list[_Found], resident: Resident, samples: NDArray[np.int64], on_progress: OnProgress
) -> None:
    """Show the network the images that are to be drawn, and keep their maps."""
    tiles = sum(one.shown * (one.best + len(samples)) for one in found if one.is_map)
    for one in found:
        if one.is_map:
            size = _size(one.layer.output[1:], one.shown * max(one.best, len(samples)), tiles)
            one.maps = np.zeros((one.shown, len(one.images), *size), np.uint8)
            one.sample_maps = np.zeros((one.shown, len(samples), *size), np.uint8)
        else:
            one.sample_values = np.zeros((one.shown, len(samples)), np.float32)
    winners = [one.images.numpy().reshape(-1) for one in found if one.is_map]
    shown = np.unique(np.concatenate([samples, *winners]))
    layers = [one.layer for one in found]
    done = 0
    for part, pixels in batches(trained, resident.test_images, shown):

        def see(number: int, output: Tensor, part: NDArray[np.intp] = part) -> None:
            one = found[number]
            in_batch = np.isin(samples, part)  # (samples,)
            if one.sample_values is not None:
                rows = np.searchsorted(part, samples[in_batch])
                one.sample_values[:, in_batch] = output[torch.from_numpy(rows), : one.shown].nan_to_num().T.numpy()
            if one.maps is None or one.sample_maps is None:
                return
            for indices, into in (
                (one.images.T.numpy(), one.maps),
                (samples[None].repeat(one.shown, 0), one.sample_maps),
            ):
                rows = np.searchsorted(part, indices).clip(max=len(part) - 1)
                one.draw(output, part[rows] == indices, rows, into)

        with watching(layers, see):
            trained.logits(pixels)
        done += len(part)
        on_progress(0.5 + 0.35 * done / len(shown))


def _size(full: Shape, tiles: int, of_all: int) -> tuple[int, int]:
    """Height and width at which neither a layer's tiles are too much for one sprite, nor those of all for the disk."""
    height, width = full
    return min(thumbnail_size(height, width, tiles), thumbnail_size(height, width, of_all, _PIXELS))


def _maps(folder: Path, name: str, maps: Tiles | None) -> Sprite | None:
    if maps is None:
        return None
    height, width = maps.shape[2:]
    tiles = maps.reshape(-1, 1, height, width)
    return write_sprite(folder, name, tiles, scale=enlargement(height, width, len(tiles)))


def _short(number: float) -> float:
    """Four digits: there are very many of them."""
    return float(f"{number:.4g}")
