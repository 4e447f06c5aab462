"""The flow of `forward` as a graph.

Every node knows its dominator: the last node before it that all ways from the input lead through. What lies
between a join and its dominator are the branches of a container, so no search is needed to find them.
"""

import ast
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from scv.blocks.block import BlockType


class Node(msgspec.Struct, eq=False):
    """One step.

    `op` is one of `input`, `block`, `container` (a helper of our own code with its branches), `add`, `sum`,
    `concatenate`, `multiply`, and `spread`, which gives a vector the height and width 1 as gates do.
    """

    op: str
    source: ast.AST
    inputs: tuple["Node", ...] = ()
    kind: BlockType | None = None
    params: dict[str, Any] = {}
    dominator: "Node | None" = None
    depth: int = 0
    consumers: int = 0


class Graph:
    """Makes nodes. `spend` is called with the work that each takes, and may raise an error for too much work."""

    def __init__(self, spend: Callable[[int], None], source: ast.AST) -> None:
        self._spend = spend
        self._concatenated: dict[tuple[int, ...], Node] = {}
        self.input = Node("input", source)

    def step(
        self,
        op: str,
        source: ast.AST,
        inputs: Sequence[Node],
        kind: BlockType | None = None,
        params: dict[str, Any] | None = None,
    ) -> Node:
        """A node behind one or several others."""
        dominator = inputs[0]
        for node in inputs[1:]:
            dominator = self._common(dominator, node)
        for node in inputs:
            node.consumers += 1
        self._spend(10)
        return Node(op, source, tuple(inputs), kind, params or {}, dominator, dominator.depth + 1)

    def concatenate(self, source: ast.AST, inputs: Sequence[Node]) -> Node:
        """A concatenation. It extends an earlier concatenation of its first inputs, as dense blocks need it."""
        key = tuple(id(node) for node in inputs)
        self._spend(len(key))
        for length in range(min(len(key) - 1, 64), 1, -1):
            self._spend(length)
            if (earlier := self._concatenated.get(key[:length])) is not None:
                inputs = (earlier, *inputs[length:])
                break
        made = self.step("concatenate", source, inputs)
        self._concatenated[key] = made
        return made

    def _common(self, one: Node, other: Node) -> Node:
        """The nearest node that dominates both."""
        while one is not other:
            self._spend(1)
            if one.depth < other.depth:
                one, other = other, one
            if one.dominator is None:
                raise AssertionError("the nodes are of different graphs")
            one = one.dominator
        return one
