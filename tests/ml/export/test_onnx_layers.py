"""What stands in for layers that ONNX counts in another way gives PyTorch's own numbers, whatever the sizes."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from scv.ml.export.onnx_layers import exportable
from tests.examples import examples

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))
KERNELS = st.tuples(st.integers(1, 4), st.integers(1, 4))
STRIDES = st.tuples(st.integers(1, 4), st.integers(1, 4))


def image(size: tuple[int, int]) -> Tensor:
    """Two images of three channels, none of whose numbers is 0."""
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0)) - 0.1


def agree(layer: nn.Module, x: Tensor) -> None:
    """Where PyTorch gives an answer, the stand-in gives the same; where it refuses, nothing is asked."""
    try:
        expected = layer(x)
    except RuntimeError:
        assume(False)
    made = exportable(layer)
    assert made is not layer
    torch.testing.assert_close(made(x), expected, equal_nan=True)


@settings(max_examples=examples(100), deadline=None)
@given(SIZES, KERNELS, STRIDES, st.data())
def test_maxima_that_round_up(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], data: st.DataObject
) -> None:
    padding = data.draw(st.tuples(st.integers(0, kernel[0] // 2), st.integers(0, kernel[1] // 2)))
    dilation = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    agree(nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=True), image(size))


@settings(max_examples=examples(100), deadline=None)
@given(SIZES, KERNELS, STRIDES, st.booleans(), st.sampled_from([None, 3]), st.data())
def test_means_that_round_up(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    counts_padding: bool,
    divisor: int | None,
    data: st.DataObject,
) -> None:
    padding = data.draw(st.tuples(st.integers(0, kernel[0] // 2), st.integers(0, kernel[1] // 2)))
    layer = nn.AvgPool2d(kernel, stride, padding, True, counts_padding, divisor)
    agree(layer, image(size))


@settings(max_examples=examples(100), deadline=None)
@given(SIZES, KERNELS, STRIDES, st.booleans(), st.sampled_from([1, 3]), st.data())
def test_transposed_convolutions_with_an_output_padding(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    bias: bool,
    groups: int,
    data: st.DataObject,
) -> None:
    padding = data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    dilation = data.draw(st.integers(1, 3))
    most = [max(one, dilation) - 1 for one in stride]
    extra = data.draw(st.tuples(*(st.integers(0, least) for least in most)))
    assume(any(extra))
    layer = nn.ConvTranspose2d(3, 6, kernel, stride, padding, extra, groups, bias, dilation)
    agree(layer.eval(), image(size))


@pytest.mark.parametrize(
    "layer", [nn.MaxPool2d(3), nn.AvgPool2d(3), nn.ConvTranspose2d(3, 3, 2), nn.Sequential(nn.Conv2d(3, 3, 1))]
)
def test_a_layer_that_onnx_has_is_left_as_it_is(layer: nn.Module) -> None:
    assert exportable(layer) is layer
