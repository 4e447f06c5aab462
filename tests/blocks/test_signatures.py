"""What the block classes say about PyTorch's signatures, against PyTorch itself."""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from scv.blocks.block import BlockType, Container
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.params import ParamError
from tests.blocks.generate import parameters
from tests.examples import examples

OF_TORCH = [kind for kind in CATALOGUE.values() if not kind.helper]
FUNCTIONS = [(kind, name) for kind in CATALOGUE.values() for name in kind.functions]
SILENT = {"device", "dtype", "args", "kwargs"}


@pytest.mark.parametrize("kind", OF_TORCH, ids=lambda kind: kind.type)
def test_a_class_takes_these_arguments_in_this_order(kind: BlockType) -> None:
    said = list(inspect.signature(getattr(nn, kind.type).__init__).parameters.values())[1:]
    known = [parameter for parameter in said if parameter.name not in SILENT]
    # torch adds arguments behind the others in later versions; those are given by name only.
    later = [parameter.name for parameter in known[len(kind.signature) :]]
    assert [parameter.name for parameter in known[: len(kind.signature)]] == list(kind.signature)
    assert set(later) <= set(kind.fixed)
    required = [p.name for p in said if p.default is p.empty and p.name not in SILENT]
    assert required == list(kind.signature[: kind.required])
    expressed = {param.name for param in kind.params} | set(kind.inferred) | set(kind.fixed) | {"inplace"}
    assert set(kind.signature) - expressed <= {"num_parameters"}


@pytest.mark.parametrize(("kind", "name"), FUNCTIONS, ids=lambda value: value if isinstance(value, str) else value.type)
def test_a_function_takes_these_arguments_in_this_order(kind: BlockType, name: str) -> None:
    function = getattr(nn.functional, f"_{name}", None) or getattr(nn.functional, name, None) or getattr(torch, name)
    try:
        said = list(inspect.signature(function).parameters)
    except ValueError:
        said = _described(function)
    assert said[1 : len(kind.functions[name]) + 1] == list(kind.functions[name])


def _described(function: object) -> list[str]:
    """The arguments of a function that has them only in the first line of its explanation, if there."""
    text = (function.__doc__ or "").strip().splitlines()[0]
    if "(" not in text:
        return ["input"]
    inner = text[text.index("(") + 1 : text.rindex(")")].replace("*,", "")
    return [word.split("=")[0].strip() for word in inner.split(",")]


@settings(max_examples=examples(80), deadline=None)
@given(st.data(), st.sampled_from([kind for kind in CATALOGUE.values() if not isinstance(kind, Container)]))
def test_a_call_backwards_gives_the_parameters(data: st.DataObject, kind: BlockType) -> None:
    values, _ = kind.complete(data.draw(parameters(kind)))
    shape = (8 * 9 * 5 * 7, 3, 3)
    call = kind.call(values, shape)
    read = kind.params_of(kind.arguments(call.args, call.kwargs))
    assert kind.call(kind.complete(read)[0], shape) == call
    if kind.type != "SqueezeExcite":
        assert kind.complete(read) == (values, {})


def test_what_pytorch_would_refuse_is_refused() -> None:
    linear = CATALOGUE["Linear"]
    with pytest.raises(ParamError, match="out_features of Linear is not given"):
        linear.arguments((3,), {})
    with pytest.raises(ParamError, match="3 arguments at most"):
        linear.arguments((3, 4, True, 5), {})
    with pytest.raises(ParamError, match="given twice"):
        linear.arguments((3, 4), {"in_features": 3})
    with pytest.raises(ParamError, match="No reduction of SqueezeExcite leaves 9 of 8"):
        CATALOGUE["SqueezeExcite"].params_of({"channels": 8, "hidden": 9})
