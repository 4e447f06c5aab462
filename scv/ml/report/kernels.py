"""What the first learned layer of a network looks for, as images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from scv.blocks.shapes import Shape, is_tensor, size
from scv.message import Message, say
from scv.ml.hooks import Layer
from scv.ml.sprites import Tiles, enlargement, write_sprite
from scv.ml.trained import Trained
from scv.report.layers import Kernels

_SHOWN = 256
"""Kernels that are drawn."""

_LONGEST = 96
"""Templates of larger images are not drawn: they would be as large as the network's weights."""

_TILE = 48  # pixels that a kernel fills


def first_kernels(trained: Trained, layers: Sequence[Layer], folder: Path) -> tuple[Kernels | None, Message | None]:
    """The kernels of the first convolution, the templates of a first Linear, or why there is nothing to be seen."""
    image = trained.info.input_shape
    seen: Shape = image  # the last tensor before the layer
    for layer in layers:
        arrives = layer.checked.input or ()
        seen = arrives if is_tensor(arrives) else seen
        module = layer.module
        if isinstance(module, nn.Conv2d):
            if arrives[0] != image[0]:
                return None, _not_pixels(layer)
            return _drawn(layer, module.weight, "colour" if module.weight.shape[1] == 3 else "grey", folder), None
        if isinstance(module, nn.Linear):
            if seen[0] != image[0] or size(seen) != arrives[0]:
                return None, _not_pixels(layer)
            if max(seen[1:]) > _LONGEST:
                return None, say("The first layer compares whole images, which are too large to be drawn here.")
            return _drawn(layer, module.weight.reshape(-1, *seen), "template", folder), None
        if isinstance(module, nn.ConvTranspose2d):
            return None, say(
                "The first layer, {block}, spreads pixels and does not look for patterns.", block=layer.checked.id
            )
    return None, say("No layer of the network compares pixels with weights.")


def _not_pixels(layer: Layer) -> Message:
    return say(
        "The first layer with weights, {block}, does not get the image's own pixels, so its weights "
        "cannot be shown as an image.",
        block=layer.checked.id,
    )


def _drawn(layer: Layer, weight: Tensor, kind: str, folder: Path) -> Kernels:
    """Of (N, C, height, width): three channels are colours, of others the first is drawn."""
    kernels, _, height, width = weight.shape
    sprite = write_sprite(
        folder, "layers-kernels", images_of(weight), scale=enlargement(height, width, min(kernels, _SHOWN), _TILE)
    )
    return Kernels(layer.checked.id, kind, height, width, kernels, sprite)


def images_of(weight: Tensor) -> Tiles:
    """Each kernel by its own largest weight: 0 is the middle grey, 128."""
    numbers = weight.detach()[:_SHOWN].nan_to_num().numpy().astype(np.float64)
    largest = np.abs(numbers).max(axis=(1, 2, 3), keepdims=True)
    shares = np.divide(numbers, largest, out=np.zeros_like(numbers), where=largest > 0)
    return np.asarray((128 + 127 * shares).round().astype(np.uint8))
