"""The graph of `forward` as a chain of blocks: joins become containers, gates become SqueezeExcite."""

from collections.abc import Sequence
from typing import Any

from scv.blocks.block import BlockType, Container
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.document import MAX_BLOCKS, MAX_DEPTH, Block
from scv.blocks.params import ParamError, Values
from scv.blocks.reading.graph import Node
from scv.blocks.reading.values import CodeError, Notes
from scv.blocks.tree import Chain
from scv.message import say


def learns(kind: BlockType, params: Values) -> bool:
    """Whether a block has weights, so that using it twice is not the same as having two."""
    values, _ = kind.complete(params)
    return kind.parameters(values, (4096, 1, 1)) > 0


class Chains:
    """Writes nodes as blocks. Ids are left empty."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._written: set[int] = set()
        self._count = 0

    def between(self, start: Node, end: Node, depth: int = 0) -> Chain:
        """The blocks behind `start`, which dominates `end`, up to `end`. Raises `CodeError` for too many."""
        nodes: list[Node] = []
        node = end
        while node is not start:
            self._notes.spend()
            nodes.append(node)
            if node.dominator is None:
                raise AssertionError("start does not dominate end")
            node = node.dominator
        return tuple(block for node in reversed(nodes) for block in self._blocks(node, depth))

    def _blocks(self, node: Node, depth: int) -> Chain:
        match node.op:
            case "block" if node.kind is not None:
                return (self._block(node, node.kind),)
            case "container" if isinstance(node.kind, Container):
                return self._container(node, node.kind, node.inputs, node.params, depth)
            case "add" | "sum" | "concatenate":
                return self._join(node, depth)
            case "multiply":
                return self._gate(node, depth)
        self._notes.refuse(node.source)
        return ()

    def _block(self, node: Node, kind: BlockType) -> Block:
        if id(node) in self._written and learns(kind, node.params):
            message = say("{type} is needed in two branches, so each gets one with weights of its own.", type=kind.type)
            self._notes.report(node.source, message)
        self._written.add(id(node))
        self._counted()
        return Block("", kind.type, node.params)

    def _counted(self) -> None:
        self._count += 1
        if self._count > MAX_BLOCKS:
            raise CodeError(say("The network of this code has more than {limit} blocks.", limit=MAX_BLOCKS))

    def _container(
        self, node: Node, kind: Container, ends: Sequence[Node], params: dict[str, Any], depth: int
    ) -> Chain:
        if depth >= MAX_DEPTH or node.dominator is None:
            self._notes.report(node.source, say("Blocks can be nested at most {limit} deep.", limit=MAX_DEPTH))
            return ()
        self._counted()
        branches = tuple(self.between(node.dominator, end, depth + 1) for end in ends)
        return (Block("", kind.type, params, branches),)

    def _join(self, node: Node, depth: int) -> Chain:
        ends = self._summands(node) if node.op == "add" else list(node.inputs)
        residual, parallel = CATALOGUE["Residual"], CATALOGUE["Parallel"]
        if not isinstance(residual, Container) or not isinstance(parallel, Container):
            raise AssertionError("they hold branches")
        if len(ends) == 2 and node.op == "add":
            blocks = self._container(node, residual, ends, {}, depth)
            return tuple(_main_first(block) for block in blocks)
        params = {} if node.op == "concatenate" else {"join": "add"}
        levels = 0
        while len(ends) > parallel.most ** (levels + 1):
            levels += 1
        blocks = self._container(node, parallel, ends, params, depth + levels)
        return tuple(self._grouped(block, parallel.most) for block in blocks)

    def _grouped(self, block: Block, most: int) -> Block:
        """The block with at most `most` branches: more of them are nested in groups, each a block of the same type."""
        branches = block.branches or ()
        while len(branches) > most:
            groups = [branches[first : first + most] for first in range(0, len(branches), most)]
            branches = tuple(
                group[0] if len(group) == 1 else (Block("", block.type, block.params, group),) for group in groups
            )
        return Block("", block.type, block.params, branches)

    def _summands(self, node: Node) -> list[Node]:
        """The inputs of a sum. A sum among them that nothing else uses is replaced by its own inputs."""
        found: list[Node] = []
        waiting = list(reversed(node.inputs))
        while waiting:
            self._notes.spend()
            summand = waiting.pop()
            if summand.op == "add" and summand.consumers == 1 and summand.dominator is node.dominator:
                waiting += reversed(summand.inputs)
            else:
                found.append(summand)
        return found

    def _gate(self, node: Node, depth: int) -> Chain:
        """x · gate(x) as SqueezeExcite, where the gate's layers are those of one."""
        start = node.dominator
        kind = CATALOGUE["SqueezeExcite"]
        gates = [end for end in node.inputs if end is not start]
        sizes = _squeeze(start, gates[0]) if start is not None and len(gates) == 1 else None
        if sizes is not None:
            channels, hidden, biased = sizes
            try:
                params = kind.params_of({"channels": channels, "hidden": hidden})
            except ParamError as error:
                self._notes.report(node.source, error.message)
                return ()
            if not biased:
                self._notes.report(node.source, say("The layers of a SqueezeExcite block have a bias here."))
            self._counted()
            return (Block("", kind.type, params),)
        self._notes.report(node.source, say("A product can be imported only as part of SqueezeExcite."))
        return () if start is None else self.between(start, node.inputs[0], depth)


def _squeeze(start: Node, end: Node) -> tuple[int, int, bool] | None:
    """Channels and hidden channels of a SqueezeExcite's gate, and whether it has biases; None for any other gate."""
    layers: list[tuple[str, dict[str, Any]]] = []
    node: Node | None = end
    while node is not None and node is not start and len(layers) < 8:
        if node.op == "block" and node.kind is not None and node.kind.type != "Flatten":
            layers.insert(0, (node.kind.type, node.kind.complete(node.params)[0]))
        elif node.op not in ("block", "spread"):
            return None
        node = node.dominator
    kinds = [kind for kind, _ in layers]
    if node is not start or len(kinds) != 5 or kinds[::2] != ["AdaptiveAvgPool2d", "ReLU", "Sigmoid"]:
        return None
    if layers[0][1]["output_size"] != 1:
        return None
    sizes: list[int] = []
    for kind, params in (layers[1], layers[3]):
        if kind == "Linear":
            sizes.append(params["out_features"])
        elif kind == "Conv2d" and params["kernel_size"] == params["stride"] == params["groups"] == 1:
            sizes.append(params["out_channels"])
        else:
            return None
    return sizes[1], sizes[0], all(layers[number][1]["bias"] for number in (1, 3))


def _main_first(block: Block) -> Block:
    """The block with the longer one of its two branches as the main branch and the other as the shortcut."""
    main, shortcut = block.branches or ((), ())
    return block if len(main) >= len(shortcut) else Block("", block.type, block.params, (shortcut, main))
