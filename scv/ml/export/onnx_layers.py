"""Layers put together from what ONNX has, where it lacks a layer of PyTorch or counts its sizes in another way.

All of them need a height and a width that are known when the graph is traced; the batch may be free.
"""

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn


def exportable(layer: nn.Module) -> nn.Module:
    """The layer, or a copy in which whatever ONNX cannot express is replaced by what gives the same numbers."""
    if (made := _replaced(layer)) is not None:
        return made
    if not any(_replaced(inner) is not None for inner in layer.modules()):
        return layer
    copied = copy.deepcopy(layer)
    for parent in list(copied.modules()):
        for name, inner in parent.named_children():
            if (made := _replaced(inner)) is not None:
                setattr(parent, name, made)
    return copied


def _replaced(layer: nn.Module) -> nn.Module | None:
    match layer:
        case nn.AdaptiveMaxPool2d(output_size=size):
            return _AdaptiveMaxPool(size if isinstance(size, tuple) else (size, size))
        case nn.MaxPool2d(ceil_mode=True):
            return _CeilMaxPool(layer)
        case nn.AvgPool2d(ceil_mode=True):
            return _CeilAvgPool(layer)
        case nn.ConvTranspose2d(output_padding=extra) if any(extra):
            return _PaddedConvTranspose(layer)
    return None


class _AdaptiveMaxPool(nn.Module):
    """`nn.AdaptiveMaxPool2d`, for which ONNX has no operator: each window's rows, then columns, and their maximum.

    Windows differ in length by one at most; a shorter one repeats its last place, which changes no maximum.
    """

    def __init__(self, output_size: Sequence[int | None]) -> None:
        super().__init__()
        self._output = output_size

    def forward(self, x: Tensor) -> Tensor:
        for axis, wanted in zip((2, 3), self._output, strict=True):
            size = x.shape[axis]
            number = wanted or size
            windows = [range(i * size // number, -(-(i + 1) * size // number)) for i in range(number)]
            longest = max(map(len, windows))
            places = [[window[min(k, len(window) - 1)] for window in windows] for k in range(longest)]
            # The k-th place of every window, (B, C, H, W) with the axis as long as it will be
            x = torch.stack([x.index_select(axis, torch.tensor(place)) for place in places]).amax(0)
        return x


class _CeilMaxPool(nn.Module):
    """`nn.MaxPool2d` with `ceil_mode`: the padding is written out, so that no size has to be rounded up."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self._kernel, self._stride = _pair(pool.kernel_size), _pair(pool.stride)
        self._padding, self._dilation = _pair(pool.padding), _pair(pool.dilation)

    def forward(self, x: Tensor) -> Tensor:
        spans = [dilation * (kernel - 1) + 1 for dilation, kernel in zip(self._dilation, self._kernel, strict=True)]
        padded = F.pad(x, _sides(x, spans, self._stride, self._padding), value=float("-inf"))
        return F.max_pool2d(padded, self._kernel, self._stride, dilation=self._dilation)


class _CeilAvgPool(nn.Module):
    """`nn.AvgPool2d` with `ceil_mode`: the sum of each window over the number of places that PyTorch counts in it.

    Those are the image's, with `count_include_pad` the padding's too, but never those behind the padding.
    """

    def __init__(self, pool: nn.AvgPool2d) -> None:
        super().__init__()
        self._kernel, self._stride, self._padding = _pair(pool.kernel_size), _pair(pool.stride), _pair(pool.padding)
        self._counts_padding = pool.count_include_pad
        self._divisor = pool.divisor_override

    def forward(self, x: Tensor) -> Tensor:
        sides = _sides(x, self._kernel, self._stride, self._padding)
        mean = F.avg_pool2d(F.pad(x, sides), self._kernel, self._stride)
        if self._divisor:
            return mean * (self._kernel[0] * self._kernel[1] / self._divisor)
        counted = torch.ones(1, 1, x.shape[2], x.shape[3])
        up, across = self._padding
        counted = F.pad(counted, (across, across, up, up), value=float(self._counts_padding))
        _, right, _, bottom = sides
        share = F.avg_pool2d(F.pad(counted, (0, right - across, 0, bottom - up)), self._kernel, self._stride)
        return mean / share


class _PaddedConvTranspose(nn.Module):
    """`nn.ConvTranspose2d` with `output_padding`: everything that the kernels reach, cut to size and padded to size."""

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__()
        self._layer = layer

    def forward(self, x: Tensor) -> Tensor:
        layer = self._layer
        whole = F.conv_transpose2d(
            x,
            layer.weight,
            stride=layer.stride,
            groups=layer.groups,
            dilation=layer.dilation,
        )
        (up, across), (below, beside) = _pair(layer.padding), _pair(layer.output_padding)
        cut = F.pad(whole, (-across, beside - across, -up, below - up))
        return cut if layer.bias is None else cut + layer.bias[:, None, None]


def _pair(size: object) -> tuple[int, int]:
    """Height and width of what PyTorch takes as one number for both, or as two."""
    if isinstance(size, int):
        return size, size
    if not isinstance(size, tuple):
        raise TypeError(f"{size!r} is no size")
    height, width = size
    return height, width


def _sides(
    x: Tensor, spans: Sequence[int], strides: Sequence[int], paddings: Sequence[int]
) -> tuple[int, int, int, int]:
    """The places to add on the left and right, above and below, so that the last window of PyTorch's fits in."""
    sides = []
    for size, span, stride, padding in zip(x.shape[2:], spans, strides, paddings, strict=True):
        windows = -(-(size + 2 * padding - span) // stride) + 1
        if (windows - 1) * stride >= size + padding:  # the last one would begin behind the image
            windows -= 1
        sides.append((padding, max(padding, (windows - 1) * stride + span - size - padding)))
    (top, bottom), (left, right) = sides
    return left, right, top, bottom
