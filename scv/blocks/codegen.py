"""A document as PyTorch code: the calls, the attribute names and the module a person would write.

`ml.build` makes the same calls under the same names, so what is read here is what trains.
"""

from collections import Counter

import msgspec

from scv.blocks.block import Call
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.check import BlockCheck, Check, Problem, check, errors
from scv.blocks.document import Document
from scv.blocks.message import Message, foreign, say
from scv.blocks.shapes import Shape


class InvalidDocumentError(Exception):
    """The document has errors, so there is no network to write or build. `message` is the first one."""

    def __init__(self, result: Check) -> None:
        self.result = result
        block, problem = errors(result)[0]
        self.message = in_place(block, problem)
        super().__init__(str(self.message))


class NamedCall(msgspec.Struct, frozen=True):
    """One layer: its block's id, the attribute that holds it, the call that makes it, shapes in and out."""

    block: str
    name: str
    call: Call
    input: Shape
    output: Shape


class CodeLine(msgspec.Struct, frozen=True):
    """One line of code and the id of the block that it belongs to, if any."""

    text: str
    block: str | None = None


def in_place(block: BlockCheck | None, problem: Problem) -> Message:
    """A problem's message with the block that it is about."""
    if block is None:
        return problem.message
    return say(
        "Block {block} ({type}): {message}", block=foreign(block.id), type=foreign(block.type), message=problem.message
    )


def named_calls(document: Document, input_shape: Shape, classes: int) -> tuple[NamedCall, ...]:
    """The layers of a document in order. Raises `InvalidDocumentError` where the check finds an error."""
    result = check(document, input_shape, classes)
    if not result.ok:
        raise InvalidDocumentError(result)
    return _calls(document, result)


def module_lines(document: Document, input_shape: Shape, classes: int) -> tuple[CodeLine, ...]:
    """The code of the module, line by line. In an unfinished document blocks that do not fit are comments."""
    result = check(document, input_shape, classes)
    calls = {call.block: call for call in _calls(document, result)}
    made, used = [], []
    for block in result.blocks:
        if (layer := calls.get(block.id)) is None:
            made.append(CodeLine(f"        # {foreign(block.type)} does not fit here yet", block.id))
            continue
        made.append(CodeLine(f"        self.{layer.name} = {layer.call}", block.id))
        used.append((f"        x = self.{layer.name}(x)", layer))
    width = max((len(text) for text, _ in used), default=0)
    return (
        CodeLine("class Model(nn.Module):"),
        CodeLine("    def __init__(self):"),
        CodeLine("        super().__init__()"),
        *made,
        CodeLine(""),
        CodeLine(f"    def forward(self, x):  # {_batch(input_shape)}"),
        *(CodeLine(f"{text:<{width}}  # {_batch(layer.output)}", layer.block) for text, layer in used),
        CodeLine("        return x"),
    )


def module_code(document: Document, input_shape: Shape, classes: int) -> str:
    """The code of the module as one text. Raises `InvalidDocumentError` where the check finds an error."""
    named_calls(document, input_shape, classes)
    return "\n".join(line.text for line in module_lines(document, input_shape, classes))


def _calls(document: Document, result: Check) -> tuple[NamedCall, ...]:
    """The layers whose shapes are known and whose parameters are sound."""
    numbers: Counter[str] = Counter()
    calls: list[NamedCall] = []
    for block, checked in zip(document.blocks, result.blocks, strict=False):
        kind = CATALOGUE.get(block.type)
        if kind is None:
            continue
        numbers[kind.stem] += 1
        values, refused = kind.complete(block.params)
        if checked.input is None or checked.output is None or refused:
            continue
        name = f"{kind.stem}{numbers[kind.stem]}"
        calls.append(NamedCall(block.id, name, kind.call(values, checked.input), checked.input, checked.output))
    return tuple(calls)


def _batch(shape: Shape) -> str:
    return f"(batch, {', '.join(map(str, shape))})"
