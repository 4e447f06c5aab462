"""What a network is made of: the section `layers` of a report."""

import msgspec

from scv.blocks.shapes import Shape
from scv.message import Message
from scv.report.sprites import Sprite


class WeightStatistics(msgspec.Struct, frozen=True):
    """One learned tensor. `zeros` is the share of numbers that are exactly 0, `norm` the Euclidean one."""

    name: str
    shape: tuple[int, ...]
    mean: float
    deviation: float
    zeros: float
    norm: float


class ActivationStatistics(msgspec.Struct, frozen=True):
    """All numbers that a layer gave for the sample. `zeros` is the share of those that are exactly 0."""

    mean: float
    deviation: float
    zeros: float
    low: float
    high: float


class LayerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One block, nested ones too. `path` is its place in the state dict; `into`, `branch` and `depth` where it stands.

    Costs are those of the check: a container's include what it holds, whose weights are listed there. `channels` are
    those of a tensor or the units of a vector; 0 for Flatten, whose units are places of the layer before.

    A channel is dead if it gives the same number everywhere in all images of the sample: its largest and its smallest
    number differ by no more than a millionth of the layer's largest magnitude. After ReLU that is a channel that never
    rises above 0. `dead` lists the first ones of `dead_channels`.
    """

    block: str
    type: str
    category: str
    path: str
    into: str | None
    branch: int
    depth: int
    input: Shape
    output: Shape
    parameters: int
    multiply_adds: int
    weights: tuple[WeightStatistics, ...]
    activation: ActivationStatistics
    channels: int
    dead_channels: int
    dead: tuple[int, ...]


class Kernels(msgspec.Struct, frozen=True):
    """What the first layer looks for. Grey, or black in none of the colours, is 0: lighter adds, darker takes away.

    `kind` is "colour" or "grey" for kernels of a convolution, "template" for the images that a Linear compares its
    input with. Each is scaled by its own largest weight. Tiles are the first of `kernels`.
    """

    block: str
    kind: str
    height: int
    width: int
    kernels: int
    sprite: Sprite = msgspec.field(name="pictures")


class Layers(msgspec.Struct, frozen=True, kw_only=True):
    """The whole section. Activations are those of `images` test images, of each class as many as can be.

    Where there are no `kernels` to show, `no_kernels` says why.
    """

    images: int
    parameters: int
    multiply_adds: int
    layers: tuple[LayerFigures, ...]
    kernels: Kernels | None
    no_kernels: Message | None

    @property
    def with_dead_channels(self) -> tuple[LayerFigures, ...]:
        """The layers that have dead channels."""
        return tuple(layer for layer in self.layers if layer.dead_channels)

    @property
    def kernels_path(self) -> str:
        """The path of the layer whose kernels are shown; empty where there are none."""
        return next((layer.path for layer in self.layers if self.kernels and layer.block == self.kernels.block), "")
