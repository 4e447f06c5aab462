"""Code of networks read as blocks, and said in one line."""

from typing import Any

import msgspec

from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.check import check
from scv.blocks.codeparse import parse
from scv.blocks.document import Block, Document
from scv.blocks.shapes import Shape

MODEL = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 10)

    def forward(self, x):
        x = self.first(x)
        x = {}
        return x
"""
"""A network whose forward holds one more step."""


def written(source: str) -> str:
    """The network of some code in one line: `Conv2d(32) ReLU Residual[Conv2d(8) | ]`."""
    parsed = parse(source)
    assert parsed.problems == ()
    return chain(parsed.document.blocks)


def chain(blocks: tuple[Block, ...]) -> str:
    words: list[str] = []
    for block in blocks:
        params = ", ".join(f"{name}={value}" for name, value in block.params.items())
        inner = "" if block.branches is None else "[" + " | ".join(map(chain, block.branches)) + "]"
        words.append(block.type + (f"({params})" if params else "") + inner)
    return " ".join(words)


def recoverable(document: Document, shape: Shape, classes: int) -> Document:
    """The document with those parameters changed that other values of write the very same code.

    SqueezeExcite writes its hidden channels, of which the largest reduction is read; with one channel all PReLU share
    one slope.
    """
    checked = {block.id: block for block in check(document, shape, classes).blocks}

    def changed(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
        return tuple(msgspec.structs.replace(block, params=params(block), branches=branches(block)) for block in blocks)

    def branches(block: Block) -> tuple[tuple[Block, ...], ...] | None:
        return None if block.branches is None else tuple(map(changed, block.branches))

    def params(block: Block) -> dict[str, Any]:
        arriving = checked[block.id].input
        assert arriving is not None
        values, _ = CATALOGUE[block.type].complete(block.params)
        if block.type == "SqueezeExcite":
            hidden = arriving[0] // values["reduction"]
            same = [r for r in range(1, 65) if arriving[0] // r == hidden]
            return {"reduction": max(same)}
        if block.type == "PReLU" and arriving[0] == 1:
            return block.params | {"per_channel": False}
        return block.params

    return Document(blocks=changed(document.blocks))
