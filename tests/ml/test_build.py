from typing import Any

import pytest
import torch
from torch import nn

from scv.blocks.codegen import InvalidDocumentError, module_code
from scv.blocks.document import Document
from scv.blocks.shapes import Shape
from scv.ml.build import build
from tests.ml.conftest import FORGETFUL, document, lenet

DOCUMENTS = [
    pytest.param(lenet(), (1, 28, 28), id="lenet"),
    pytest.param(FORGETFUL, (3, 8, 8), id="forgetful"),
    pytest.param(
        document(
            ("ConvTranspose2d", {"out_channels": 5, "kernel_size": 2, "stride": 2}),
            ("LeakyReLU", {"negative_slope": 0.2}),
            ("ConstantPad2d", {"padding": 1, "value": 0.5}),
            ("AvgPool2d", {"kernel_size": 3}),
            "GELU",
            ("AdaptiveAvgPool2d", {"output_size": 1}),
            "Flatten",
            ("Linear", {"out_features": 10}),
        ),
        (2, 9, 7),
        id="other blocks",
    ),
]


def executed(network: Document, shape: Shape) -> nn.Module:
    """The module of the generated code."""
    names: dict[str, Any] = {"torch": torch, "nn": nn}
    exec(module_code(network, shape, 10), names)  # noqa: S102 - our own code is what is tested
    module: nn.Module = names["Model"]()
    return module


@pytest.mark.parametrize(("network", "shape"), DOCUMENTS)
def test_names_and_shapes_are_those_of_the_generated_code(network: Document, shape: Shape) -> None:
    built, written = build(network, shape, 10), executed(network, shape)

    assert [(name, tensor.shape) for name, tensor in built.state_dict().items()] == [
        (name, tensor.shape) for name, tensor in written.state_dict().items()
    ]


@pytest.mark.parametrize(("network", "shape"), DOCUMENTS)
def test_the_same_seed_gives_the_generated_code_the_same_answers(network: Document, shape: Shape) -> None:
    torch.manual_seed(7)
    built = build(network, shape, 10).eval()
    torch.manual_seed(7)
    written = executed(network, shape).eval()
    images = torch.randn(3, *shape)

    assert torch.equal(built(images), written(images))
    assert built(images).shape == (3, 10)


def test_a_document_with_errors_is_not_built() -> None:
    with pytest.raises(InvalidDocumentError, match="Linear"):
        build(document("Flatten", ("Linear", {"out_features": 9})), (1, 8, 8), 10)
