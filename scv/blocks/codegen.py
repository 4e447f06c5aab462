"""A document as PyTorch code: the calls, the attribute names and the module a person would write.

`ml.build` makes the same calls under the same names, so what is read here is what trains.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from scv.blocks.block import IDENTITY, Call, Container, literal
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.check import check
from scv.blocks.document import Block, Document
from scv.blocks.findings import BlockCheck, Check, Problem, errors
from scv.blocks.shapes import Shape
from scv.blocks.tree import Chain, taken, walk
from scv.message import Message, foreign, say


class InvalidDocumentError(Exception):
    """The document has errors, so there is no network to write or build. `message` is the first one."""

    def __init__(self, result: Check) -> None:
        self.result = result
        block, problem = errors(result)[0]
        self.message = in_place(block, problem)
        super().__init__(str(self.message))


class NamedCall(msgspec.Struct, frozen=True):
    """One layer of the trunk: its block's id, the attribute that holds it, its call, its shapes in and out."""

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
        "Block {block} ({type}): {message}",
        block=foreign(block.id),
        type=foreign(block.type),
        message=problem.message,
    )


def named_calls(document: Document, input_shape: Shape, classes: int) -> tuple[NamedCall, ...]:
    """The layers of the trunk in order. Raises `InvalidDocumentError` where the check finds an error."""
    result = check(document, input_shape, classes)
    if not result.ok:
        raise InvalidDocumentError(result)
    return tuple(_Writer(document, result).layers)


def helpers(document: Document) -> tuple[str, ...]:
    """Sources of the helper classes that the document's code uses, each once."""
    types = {block.type for block, _ in walk(document.blocks)}
    return tuple(kind.helper for name, kind in CATALOGUE.items() if name in types and kind.helper)


def module_lines(
    document: Document, input_shape: Shape, classes: int, checked: Check | None = None
) -> tuple[CodeLine, ...]:
    """The code of the module, line by line. In an unfinished document blocks that do not fit are comments.

    `checked` is the check of the same document, where that was made already.
    """
    writer = _Writer(document, checked or check(document, input_shape, classes))
    return (
        *(CodeLine(line) for source in helpers(document) for line in (*source.splitlines(), "", "")),
        CodeLine("class Model(nn.Module):"),
        CodeLine("    def __init__(self):"),
        CodeLine("        super().__init__()"),
        *writer.lines(),
        CodeLine(""),
        CodeLine(f"    def forward(self, x):  # {_batch(input_shape)}"),
        *_uses(writer.layers),
        CodeLine("        return x"),
    )


def block_lines(document: Document, checked: Check, block_id: str) -> tuple[CodeLine, ...]:
    """Those lines of the module that belong to the first block of this id, and to all that it holds."""
    chosen = taken(document, block_id)
    if chosen is None:
        return ()
    held = {block.id for block, _ in walk((chosen,))}
    writer = _Writer(
        document,
        checked,
        [block for block in document.blocks if any(inner.id == block_id for inner, _ in walk((block,)))],
    )
    lines = (*writer.lines(), *_uses(writer.layers))
    return tuple(line for line in lines if line.block in held)


def module_code(document: Document, input_shape: Shape, classes: int) -> str:
    """The code of the module as one text. Raises `InvalidDocumentError` where the check finds an error."""
    named_calls(document, input_shape, classes)
    return "\n".join(line.text for line in module_lines(document, input_shape, classes))


class _Writer:
    """Turns blocks whose shapes are known and whose parameters are sound into calls and lines."""

    def __init__(self, document: Document, result: Check, wanted: Sequence[Block] | None = None) -> None:
        """`wanted` are those blocks of the trunk that are written; None for all of them."""
        self._trunk = document.blocks if wanted is None else wanted
        self._checked: Mapping[int, BlockCheck] = {
            id(block): checked for (block, _), checked in zip(walk(document.blocks), result.blocks, strict=False)
        }
        self._blocks: dict[int, tuple[Call, str]] = {}  # by id(), which stays unique as the call is kept
        self.layers: list[NamedCall] = []
        numbers: Counter[str] = Counter()
        for block in document.blocks:
            kind = CATALOGUE.get(block.type)
            if kind is None:
                continue
            numbers[kind.stem] += 1
            if wanted is not None and not any(block is one for one in wanted):
                continue
            checked = self._checked.get(id(block))
            call = self._call((block,))
            if checked is None or checked.input is None or checked.output is None or call is None:
                continue
            name = f"{kind.stem}{numbers[kind.stem]}"
            self.layers.append(NamedCall(block.id, name, call, checked.input, checked.output))

    def _call(self, chain: Chain) -> Call | None:
        """The call that makes a chain: its only layer's, a Sequential, or an Identity where it is empty."""
        calls: list[Call] = []
        for block in chain:
            kind = CATALOGUE.get(block.type)
            checked = self._checked.get(id(block))
            if kind is None or checked is None or checked.input is None or checked.output is None:
                return None
            values, refused = kind.complete(block.params)
            if refused:
                return None
            if isinstance(kind, Container):
                inner = [self._call(branch) for branch in block.branches or ()]
                call = kind.wrap(values, [part for part in inner if part is not None])
            else:
                call = kind.call(values, checked.input)
            self._blocks[id(call)] = (call, block.id)
            calls.append(call)
        if not calls:
            return IDENTITY
        return calls[0] if len(calls) == 1 else Call("nn.Sequential", tuple(calls))

    def lines(self) -> Iterator[CodeLine]:
        """The lines of `__init__`."""
        written = {layer.block: layer for layer in self.layers}
        for block in self._trunk:
            if block.id in written:
                layer = written[block.id]
                yield from self._lines(f"        self.{layer.name} = ", layer.call, "", block.id)
            else:
                yield CodeLine(f"        # {foreign(block.type)} does not fit here yet", block.id)

    def _lines(self, start: str, call: Call, end: str, block: str) -> Iterator[CodeLine]:
        """A call over as many lines as it needs: one, unless it holds other calls."""
        _, block = self._blocks.get(id(call), (call, block))
        inner: Sequence[tuple[str, object]] = [("", arg) for arg in call.args]
        inner = [*inner, *((f"{name}=", value) for name, value in call.kwargs.items())]
        if not any(isinstance(value, Call) for _, value in inner):
            yield CodeLine(f"{start}{call}{end}", block)
            return
        indent = " " * (len(start) - len(start.lstrip()))
        yield CodeLine(f"{start}{call.function}(", block)
        for prefix, value in inner:
            if isinstance(value, Call):
                yield from self._lines(f"{indent}    {prefix}", value, ",", block)
            else:
                yield CodeLine(f"{indent}    {prefix}{literal(value)},", block)
        yield CodeLine(f"{indent}){end}", block)


def _uses(layers: Sequence[NamedCall]) -> Iterator[CodeLine]:
    """The lines of `forward`, with what comes out of each layer."""
    used = [(f"        x = self.{layer.name}(x)", layer) for layer in layers]
    width = max((len(text) for text, _ in used), default=0)
    for text, layer in used:
        yield CodeLine(f"{text:<{width}}  # {_batch(layer.output)}", layer.block)


def _batch(shape: Shape) -> str:
    return f"(batch, {', '.join(map(str, shape))})"
