"""Looking into a trained network: which module is which block, what each gives, and images a batch at a time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scv.blocks.block import Container
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.codegen import named_calls
from scv.blocks.document import Block
from scv.blocks.findings import BlockCheck
from scv.blocks.shapes import Shape, is_tensor
from scv.ml.trained import Trained

OnProgress = Callable[[float], None]
"""Hears which share of the work is done, 0 to 1. It may raise, to stop the work."""


@dataclass(frozen=True)
class Layer:
    """A block, what the check says of it, and the module that it became; `path` is its name in the state dict."""

    checked: BlockCheck
    path: str
    module: nn.Module
    depth: int

    @property
    def output(self) -> Shape:
        """Of one image."""
        assert self.checked.output is not None, "only sound documents are built"  # noqa: S101
        return self.checked.output

    @property
    def holds_others(self) -> bool:
        """Whether it is a container, whose weights are those of what it holds."""
        return isinstance(CATALOGUE[self.checked.type], Container)

    @property
    def channels(self) -> int:
        """Channels of a tensor, units of a vector; 0 for a vector whose units are places of a tensor (Flatten)."""
        flattens = not is_tensor(self.output) and is_tensor(self.checked.input or ())
        return 0 if flattens and CATALOGUE[self.checked.type].category == "shape" else self.output[0]


def layers_of(trained: Trained) -> tuple[Layer, ...]:
    """Every block of the network in the order of the check, a container before what it holds."""
    info = trained.info
    checked = iter(trained.checked.blocks)
    found: list[Layer] = []

    def add(block: Block, path: str, module: nn.Module, depth: int) -> None:
        found.append(Layer(next(checked), path, module, depth))
        if block.branches is None:
            return
        for branch, (name, inner) in zip(block.branches, _branches(module), strict=True):
            if len(branch) == 1:
                add(branch[0], f"{path}.{name}", inner, depth + 1)
                continue
            for number, held in enumerate(branch):  # of an empty one nothing is left but an Identity
                add(held, f"{path}.{name}.{number}", inner.get_submodule(str(number)), depth + 1)

    calls = named_calls(info.document, info.input_shape, info.classes)
    for block, call in zip(info.document.blocks, calls, strict=True):
        add(block, call.name, trained.network.get_submodule(call.name), 0)
    return tuple(found)


def _branches(container: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The branches in order: the container's own modules, and those in its lists."""
    for name, module in container.named_children():
        if isinstance(module, nn.ModuleList):
            yield from ((f"{name}.{number}", inner) for number, inner in module.named_children())
        else:
            yield name, module


@contextmanager
def watching(layers: Sequence[Layer], see: Callable[[int, Tensor], None]) -> Iterator[None]:
    """Show `see` what each layer gives, by its number in `layers`: (B, *output), while the context lasts."""

    def hook(number: int) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        return lambda module, given, output: see(number, output)

    handles = [layer.module.register_forward_hook(hook(number)) for number, layer in enumerate(layers)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def batches(
    trained: Trained, images: NDArray[np.uint8], indices: NDArray[np.intp] | None = None
) -> Iterator[tuple[NDArray[np.intp], Tensor]]:
    """The images, or those at `indices`, as they come: their indices (B,) and pixels uint8 (B, C, H, W)."""
    chosen, batch = np.arange(len(images)) if indices is None else indices, trained.cost.at_once
    for start in range(0, len(chosen), batch):
        part = chosen[start : start + batch]
        yield part, torch.from_numpy(np.array(images[part]))
