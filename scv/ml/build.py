"""A document as a torch module: the calls of the generated code, made instead of printed."""

from collections import OrderedDict
from functools import cache
from typing import Any

import torch
from torch import nn

from scv.blocks.block import Call
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.codegen import named_calls
from scv.blocks.document import Document
from scv.blocks.shapes import Shape


def build(document: Document, input_shape: Shape, classes: int) -> nn.Sequential:
    """Build the network, `(B, *input_shape)` to logits `(B, classes)`, in training mode, on the CPU.

    Layers are made in the order of the generated code and carry its attribute names, so the same seed gives
    both the same weights and a state dict of one loads into the other. Raises `InvalidDocumentError`.
    """
    layers = named_calls(document, input_shape, classes)
    return nn.Sequential(OrderedDict((layer.name, make(layer.call)) for layer in layers))


def make(call: Call) -> nn.Module:
    """Carry out one call, and the calls among its arguments."""
    args = [make(arg) if isinstance(arg, Call) else arg for arg in call.args]
    kwargs = {name: make(value) if isinstance(value, Call) else value for name, value in call.kwargs.items()}
    module: nn.Module = _kind(call.function)(*args, **kwargs)
    return module


@cache
def _kind(function: str) -> Any:
    """The class that a call names: PyTorch's own, or the one that the block's helper source defines."""
    if function.startswith("nn."):
        return getattr(nn, function.removeprefix("nn."))
    namespace: dict[str, Any] = {"torch": torch, "nn": nn, "__name__": __name__}
    exec(CATALOGUE[function].helper, namespace)  # noqa: S102 - our own source, the same that users read
    return namespace[function]
