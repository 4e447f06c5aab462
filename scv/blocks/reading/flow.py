"""What happens to the tensors in `forward`: every step that a block stands for becomes a node of the graph."""

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from scv.blocks.block import BlockType
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.params import ParamError, Values
from scv.blocks.reading.chains import learns
from scv.blocks.reading.constants import is_plain
from scv.blocks.reading.graph import Graph, Node
from scv.blocks.reading.values import TRAINING, Batch, Dims, LayerValue, Notes, Side, Tensor, Unknown, Value
from scv.message import foreign, say

FUNCTIONS: Mapping[str, BlockType] = {name: kind for kind in CATALOGUE.values() for name in kind.functions}
"""The kinds of blocks by the names of PyTorch's functions that do the same."""

_SAME = frozenset(("contiguous", "float", "to", "cuda", "cpu", "expand", "expand_as", "type_as"))
"""Methods of a tensor that leave its numbers as they are."""

_PADDINGS = {
    "constant": "ConstantPad2d",
    "reflect": "ReflectionPad2d",
    "replicate": "ReplicationPad2d",
    "circular": "CircularPad2d",
}


_IMAGES = ("Conv2d", "ConvTranspose2d", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d")
"""Kinds of blocks that give an image, whatever came before."""


class Flow:
    """Follows tensors through one `forward`."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._graph = Graph(notes.spend, ast.Module([], []))
        self.last = self._graph.input

    @property
    def input(self) -> Node:
        """Where the image comes in."""
        return self._graph.input

    def refuse(self, node: ast.AST, tensor: Tensor) -> Tensor:
        """Leave a step out: the tensor goes on as it is."""
        self._notes.refuse(node)
        return Tensor(tensor.node, loose=True)

    def params(self, layer: LayerValue, kind: BlockType, arguments: Values) -> dict[str, Any]:
        """A layer's parameters, without those that cannot be read or are refused, which are reported.

        Raises `ParamError` where no parameter can express an argument.
        """
        if layer.params is not None:
            return layer.params
        params: dict[str, Any] = {}
        for name, value in kind.params_of(arguments).items():
            if is_plain(value):
                params[name] = value
                continue
            source = value.node if isinstance(value, Unknown) else layer.node
            self._notes.report(
                layer.node,
                say(
                    "{name} of {type} cannot be read: {code}",
                    name=foreign(name),
                    type=kind.type,
                    code=self._notes.code(source),
                ),
            )
        _, refused = kind.complete(params)
        for name, message in refused.items():
            self._notes.report(layer.node, message)
            del params[name]
        layer.params = params
        return params

    def layer(self, node: ast.AST, layer: LayerValue, tensor: Tensor) -> Tensor:
        """A tensor after a layer that holds no others."""
        kind = layer.kind
        if kind is None:
            self._notes.refuse(layer.node)
            return Tensor(tensor.node, loose=True)
        try:
            arguments = kind.arguments(layer.args, layer.kwargs, layer.names)
            params = self.params(layer, kind, arguments)
        except ParamError as error:
            self._notes.report(layer.node, error.message)
            return Tensor(tensor.node, loose=True)
        if kind.type == "LayerNorm" and _is_image(tensor.node):
            sizes = arguments.get("normalized_shape")
            count = len(sizes) if isinstance(sizes, list | tuple) else 1
            if count != 3 and not isinstance(sizes, Unknown):
                message = say(
                    "{code} normalizes the last dimensions of an image alone; the block normalizes all three.",
                    code=self._notes.code(layer.node),
                )
                self._notes.report(layer.node, message)
        if layer.used and learns(kind, params):
            message = say("This {type} is used more than once; here each gets weights of its own.", type=kind.type)
            self._notes.report(node, message)
        layer.used = True
        after = self._step("block", layer.node, [tensor], kind, params)
        return self.changed(tensor, after) if arguments.get("inplace") is True else after

    def container(self, layer: LayerValue, kind: BlockType, params: dict[str, Any], ends: Sequence[Tensor]) -> Tensor:
        """What a container gives whose branches end in these tensors."""
        return self._step("container", layer.node, ends, kind, params)

    def binary(self, node: ast.AST, sign: ast.operator, left: Value, right: Value) -> Tensor:
        """`left sign right`, where at least one is a tensor."""
        if isinstance(left, Tensor) and isinstance(right, Tensor):
            if isinstance(sign, ast.Add):
                return self._step("add", node, [left, right])
            if isinstance(sign, ast.Mult):
                return self._step("multiply", node, [left, right])
            return self.refuse(node, left)
        tensor, other = (left, right) if isinstance(left, Tensor) else (right, left)
        neutral = {ast.Add: 0, ast.Mult: 1}.get(type(sign))
        if neutral is not None and isinstance(other, int | float) and other == neutral:
            return Tensor(tensor.node, tensor.loose)
        return self.refuse(node, tensor)

    def total(self, node: ast.AST, summands: Sequence[Value]) -> Tensor:
        """`sum(summands)`, at least one of which is a tensor."""
        return self._joined("sum", node, summands)

    def index(self, node: ast.AST, tensor: Tensor, parts: Sequence[ast.expr]) -> Tensor:
        """`tensor[parts]`: only two new dimensions of size 1 can be imported."""
        new = [part for part in parts if isinstance(part, ast.Constant) and part.value is None]
        whole = [part for part in parts if isinstance(part, ast.Slice) and part.lower is part.upper is None]
        if len(new) == 2 and len(new) + len(whole) == len(parts):
            return self._step("spread", node, [tensor])
        return self.refuse(node, tensor)

    def method(
        self, node: ast.AST, tensor: Tensor, name: str, args: Sequence[Value], kwargs: dict[str, Value]
    ) -> Value:
        """What a method of a tensor gives."""
        if name in _SAME:
            return tensor
        if name == "size":
            first = args[0] if args else kwargs.get("dim")
            if first is None or first == 0:
                return Dims(tensor.node) if first is None else Batch()
            return Side(tensor.node, first % 4) if first in (2, 3, -2, -1) else Unknown(node)
        if name == "clone":
            return Tensor(tensor.node, tensor.loose)  # a new tensor: changing one in place does not affect the other
        if name in ("dim", "numel", "get_device"):
            return Unknown(node)
        return self.function(node, name, [tensor, *args], kwargs)

    def function(self, node: ast.AST, name: str, args: Sequence[Value], kwargs: dict[str, Value]) -> Value:
        """The result of a function of torch, named without its module, with a tensor among its arguments."""
        if name in ("cat", "concat", "concatenate"):
            return self._concatenate(node, args, kwargs)
        given = dict(kwargs)
        tensor = args[0] if args else given.pop("input", None)
        if not isinstance(tensor, Tensor):
            found = next((value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)), None)
            return Unknown(node) if found is None else self.refuse(node, found)
        if name.endswith("_") and not name.startswith("_"):
            return self.changed(tensor, self.function(node, name[:-1], [tensor, *args[1:]], given))
        others = list(args[1:])
        if name in FUNCTIONS:
            return self._as_layer(node, FUNCTIONS[name], name, tensor, others, given)
        match name:
            case "flatten":
                bound = dict(zip(("start_dim", "end_dim"), others, strict=False)) | given
                return self.layer(node, LayerValue(node, CATALOGUE["Flatten"], (), {"start_dim": 0} | bound), tensor)
            case "view" | "reshape":
                return self._view(node, tensor, others or [given.get("shape")])
            case "pad":
                return self._pad(node, tensor, others, given)
            case "mean":
                return self._mean(node, tensor, others, given)
            case "squeeze":
                return self._squeeze(node, tensor)
            case "unsqueeze":
                return self._step("spread", node, [tensor])
            case "add" | "mul" | "multiply":
                return self._arithmetic(node, name, tensor, others, given)
        return self.refuse(node, tensor)

    def changed(self, tensor: Tensor, after: Value) -> Value:
        """Change a tensor in place to the result of a step, so that all its names see the change."""
        if not isinstance(after, Tensor):
            return after
        tensor.node, tensor.loose = after.node, after.loose
        return tensor

    def _as_layer(
        self,
        node: ast.AST,
        kind: BlockType,
        name: str,
        tensor: Tensor,
        args: Sequence[Value],
        kwargs: dict[str, Value],
    ) -> Tensor:
        """The result of a function that does the same as a kind of block.

        Pooling with a window of the tensor's own height and width becomes global pooling.
        """
        names = kind.functions[name]
        args = [True if value is TRAINING else value for value in args]
        kwargs = {word: True if value is TRAINING else value for word, value in kwargs.items()}
        window = (dict(zip(names, args, strict=False)) | kwargs).get("kernel_size")
        whole = isinstance(window, list | tuple) and [
            (side.node, side.axis) for side in window if isinstance(side, Side)
        ] == [(tensor.node, 2), (tensor.node, 3)]
        if whole and len(args) + len(kwargs) == 1 and kind.type in ("AvgPool2d", "MaxPool2d"):
            return self.layer(node, LayerValue(node, CATALOGUE[f"Adaptive{kind.type}"], (1,)), tensor)
        return self.layer(node, LayerValue(node, kind, tuple(args), kwargs, names), tensor)

    def _arithmetic(
        self, node: ast.AST, name: str, tensor: Tensor, args: Sequence[Value], kwargs: dict[str, Value]
    ) -> Tensor:
        """`torch.add(tensor, other)` and `torch.mul`; no block stands for a factor `alpha`."""
        bound = dict(zip(("other",), args, strict=False)) | kwargs
        factor = bound.pop("alpha", 1)
        if bound.keys() != {"other"} or len(args) > 1 or factor != 1:
            return self.refuse(node, tensor)
        return self.binary(node, ast.Add() if name == "add" else ast.Mult(), tensor, bound["other"])

    def _step(
        self,
        op: str,
        node: ast.AST,
        inputs: Sequence[Tensor],
        kind: BlockType | None = None,
        params: dict[str, Any] | None = None,
    ) -> Tensor:
        self.last = self._graph.step(op, node, [tensor.node for tensor in inputs], kind, params)
        return Tensor(self.last)

    def _joined(self, op: str, node: ast.AST, values: Sequence[Value]) -> Tensor:
        tensors = [value for value in values if isinstance(value, Tensor)]
        self._notes.spend(len(values))
        if len(tensors) < len(values):
            self._notes.refuse(node)
        if len(tensors) == 1:
            return tensors[0]
        if op == "concatenate":
            self.last = self._graph.concatenate(node, [tensor.node for tensor in tensors])
            return Tensor(self.last)
        return self._step(op, node, tensors)

    def _concatenate(self, node: ast.AST, args: Sequence[Value], kwargs: dict[str, Value]) -> Value:
        values = args[0] if args else kwargs.get("tensors")
        dim = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis", 0))
        tensors = [value for value in values if isinstance(value, Tensor)] if isinstance(values, list | tuple) else []
        if not isinstance(values, list | tuple) or not tensors:
            return Unknown(node)
        if dim not in (1, -3):
            self._notes.report(node, say("Tensors can be concatenated only along dim=1, their channels."))
            return Tensor(tensors[0].node, loose=True)
        return self._joined("concatenate", node, values)

    def _view(self, node: ast.AST, tensor: Tensor, sizes: Sequence[Value]) -> Tensor:
        """A view that flattens every image, or one that a gate needs."""
        if len(sizes) == 1 and isinstance(sizes[0], list | tuple):
            sizes = sizes[0]
        batch = bool(sizes) and (isinstance(sizes[0], Batch | Unknown) or sizes[0] == -1)
        if batch and len(sizes) == 2:
            return self.layer(node, LayerValue(node, CATALOGUE["Flatten"]), tensor)
        if batch and len(sizes) == 4 and sizes[2] == sizes[3] == 1:
            return self._step("spread", node, [tensor])
        if batch and len(sizes) == 4 and tensor.node is self.input:
            return tensor  # what comes in is an image already
        return self.refuse(node, tensor)

    def _pad(self, node: ast.AST, tensor: Tensor, args: Sequence[Value], kwargs: dict[str, Value]) -> Tensor:
        bound = dict(zip(("pad", "mode", "value"), args, strict=False)) | kwargs
        rim, mode = bound.get("pad"), bound.get("mode", "constant")
        if isinstance(rim, list | tuple) and len(rim) == 2:
            rim = [*rim, 0, 0]
        name = _PADDINGS.get(mode) if isinstance(mode, str) else None
        if name is None or not isinstance(rim, list | tuple) or len(rim) != 4:
            return self.refuse(node, tensor)
        value = bound.get("value")
        if name == "ConstantPad2d" and (value is None or value == 0):
            name = "ZeroPad2d"
        arguments = {"padding": rim} | ({"value": value} if name == "ConstantPad2d" else {})
        return self.layer(node, LayerValue(node, CATALOGUE[name], (), arguments), tensor)

    def _mean(self, node: ast.AST, tensor: Tensor, args: Sequence[Value], kwargs: dict[str, Value]) -> Tensor:
        """The mean of every channel, as global pooling."""
        bound = dict(zip(("dim", "keepdim"), args, strict=False)) | kwargs
        dims, keep = bound.get("dim"), bound.get("keepdim", False)
        whole = [dim % 4 for dim in dims if isinstance(dim, int)] if isinstance(dims, list | tuple) else []
        if sorted(whole) != [2, 3] or not isinstance(keep, bool):
            return self.refuse(node, tensor)
        pooled = self.layer(node, LayerValue(node, CATALOGUE["AdaptiveAvgPool2d"], (1,)), tensor)
        return pooled if keep else self.layer(node, LayerValue(node, CATALOGUE["Flatten"]), pooled)

    def _squeeze(self, node: ast.AST, tensor: Tensor) -> Tensor:
        """Dimensions of size 1 can be dropped where a global pool has just made them."""
        kind, params = tensor.node.kind, tensor.node.params
        if kind is not None and kind.type == "Flatten":
            return tensor
        if kind is not None and kind.type.startswith("Adaptive") and kind.complete(params)[0]["output_size"] == 1:
            return self.layer(node, LayerValue(node, CATALOGUE["Flatten"]), tensor)
        return self.refuse(node, tensor)


def _is_image(node: Node) -> bool:
    """Whether a node gives channels with height and width, as the input does until a Flatten or a Linear."""
    while node.inputs:
        if node.op == "spread" or (node.kind is not None and node.kind.type in _IMAGES):
            return True
        if node.kind is not None and node.kind.type in ("Flatten", "Linear"):
            return False
        node = node.inputs[0]
    return True
