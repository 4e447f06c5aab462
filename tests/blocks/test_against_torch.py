"""The whole catalogue against PyTorch itself: shapes, refusals, parameter counts, multiply-adds, code."""

import warnings
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from scv.blocks.block import BlockType, ShapeError
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.check import check
from scv.blocks.codegen import module_code, named_calls
from scv.blocks.codeparse import parse
from scv.blocks.findings import errors
from scv.blocks.normal import normal
from scv.blocks.shapes import Shape, size
from scv.ml.build import build, make
from tests.blocks.generate import nested_documents, parameters, sound_documents, tensors
from tests.blocks.reading import recoverable
from tests.examples import examples

BATCH = 2

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

pytestmark = pytest.mark.filterwarnings(
    # A hint about speed: padding "same" with an even kernel copies its input once.
    "ignore:Using padding='same' with even kernel lengths:UserWarning"
)


def torch_module(kind: BlockType, values: dict[str, Any], shape: Shape) -> nn.Module:
    with torch.device("meta"):
        return make(kind.call(values, shape))


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=CATALOGUE)
@settings(max_examples=examples(30), deadline=None)
@given(data=st.data())
def test_shape_rule_agrees_with_torch(kind: BlockType, data: st.DataObject) -> None:
    """Where our rule gives a shape torch gives the same; where ours refuses, torch does as well."""
    shape = data.draw(tensors())
    values, refused = kind.complete(data.draw(parameters(kind)))
    assert not refused
    try:
        expected = kind.output(values, shape)
    except ShapeError as error:
        # Ours alone: torch would apply Linear to the width and Softmax over the batch, make a gate of nothing, and
        # normalize groups of one number as long as there are several images.
        if error.code not in ("needs_vector", "dim_is_batch", "reduction_too_large", "group_of_one"):
            assert not usable(kind, values, shape)
        return
    if size(expected) > 4_000_000:
        return
    assert run(kind, values, shape) == expected


def usable(kind: BlockType, values: dict[str, Any], shape: Shape) -> bool:
    """Whether torch takes the input and gives an image that holds at least one number."""
    try:
        return size(run(kind, values, shape)) > 0
    except (RuntimeError, IndexError, ValueError):
        return False


def run(kind: BlockType, values: dict[str, Any], shape: Shape) -> Shape:
    """The shape that torch gives. Small tensors are real: the meta device skips some of torch's own checks."""
    module = make(kind.call(values, shape))
    with torch.no_grad():
        return tuple(module(torch.zeros(BATCH, *shape)).shape[1:])


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=CATALOGUE)
@settings(max_examples=examples(15), deadline=None)
@given(data=st.data())
def test_costs_agree_with_torch(kind: BlockType, data: st.DataObject) -> None:
    """Parameters are torch's own; multiply-adds are half of what torch's counter calls flops."""
    shape = data.draw(st.integers(1, 50).map(lambda n: (n,)) if kind.category == "linear" else tensors())
    values, _ = kind.complete(data.draw(parameters(kind)))
    try:
        expected = kind.output(values, shape)
    except ShapeError:
        return
    if size(expected) > 4_000_000:
        return
    module = torch_module(kind, values, shape)
    assert kind.parameters(values, shape) == sum(p.numel() for p in module.parameters())
    if kind.category in ("convolution", "linear"):
        with FlopCounterMode(display=False) as counter, warnings.catch_warnings():
            module(torch.zeros(1, *shape, device="meta"))
        assert 2 * kind.multiply_adds(values, shape) == counter.get_total_flops()


@settings(max_examples=examples(300), deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_code_and_built_module_are_the_same_network(data: st.DataObject) -> None:
    """Same attribute names in the same order, same weights and answers; the check foretells shapes and parameters.

    And the code reads back as the document.
    """
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(4, 16), st.integers(4, 16)))
    classes = data.draw(st.integers(2, 12))
    nest = data.draw(st.booleans())
    document = data.draw(nested_documents(shape, classes) if nest else sound_documents(shape, classes))
    result = check(document, shape, classes)
    sized = {"too_many_parameters", "too_slow", "too_many_blocks"}
    assert {problem.code for _, problem in errors(result)} <= sized, result
    # What is too large for a test is drawn anew, and so is what is too large to train.
    assume(result.ok and result.parameters < 500_000 and result.multiply_adds < 20_000_000)
    assume(all(size(block.output or ()) < 200_000 for block in result.blocks))
    built = build(document, shape, classes)
    code = module_code(document, shape, classes)
    written = executed(code)
    ours = {name: tuple(t.shape) for name, t in built.state_dict().items()}
    theirs = {name: tuple(t.shape) for name, t in written.state_dict().items()}
    assert list(ours.items()) == list(theirs.items())
    assert sum(p.numel() for p in built.parameters()) == result.parameters
    written.load_state_dict(built.state_dict())
    images = torch.rand(BATCH, *shape)
    shapes: list[Shape] = []
    for layer in built:
        layer.register_forward_hook(lambda module, given, output: shapes.append(tuple(output.shape[1:])))
    with torch.no_grad():
        answer = built.eval()(images)
        assert answer.shape == (BATCH, classes)
        assert shapes == [block.output for block in result.trunk]
        assert torch.equal(answer.nan_to_num(), written.eval()(images).nan_to_num())
    assert [c.block for c in named_calls(document, shape, classes)] == [b.id for b in document.blocks]
    parsed = parse(code)
    assert parsed.problems == ()
    assert parsed.document == normal(recoverable(document, shape, classes))
    assert module_code(parsed.document, shape, classes) == code


def executed(code: str) -> nn.Module:
    namespace: dict[str, Any] = {"nn": nn, "torch": torch}
    exec(code, namespace)  # noqa: S102 - this is the code we generate
    model: nn.Module = namespace["Model"]()
    return model
