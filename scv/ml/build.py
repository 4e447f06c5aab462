"""A document as a torch module: the calls of the generated code, made instead of printed."""

from collections import OrderedDict

from torch import nn

from scv.blocks.block import Call
from scv.blocks.codegen import named_calls
from scv.blocks.document import Document
from scv.blocks.shapes import Shape


def build(document: Document, input_shape: Shape, classes: int) -> nn.Sequential:
    """Build the network, `(B, *input_shape)` to logits `(B, classes)`, in training mode, on the CPU.

    Layers are made in the order of the generated code and carry its attribute names, so the same seed gives
    both the same weights and a state dict of one loads into the other. Raises `InvalidDocumentError`.
    """
    layers = named_calls(document, input_shape, classes)
    return nn.Sequential(OrderedDict((layer.name, _made(layer.call)) for layer in layers))


def _made(call: Call) -> nn.Module:
    kind = getattr(nn, call.function.removeprefix("nn."))
    module: nn.Module = kind(*call.args, **call.kwargs)
    return module
