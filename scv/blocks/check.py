"""One walk through a document: shapes, costs, and what is wrong with it and how to mend it.

Everything the editor, the command line and the run say about a network comes from here.
"""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from scv.blocks.block import BlockType, Cure, InsertBefore, RemoveHere, SetHere, ShapeError
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.document import MAX_BLOCKS, Add, Block, Document, Operation, Remove, SetParams, valid_id
from scv.blocks.message import Message, foreign, say
from scv.blocks.shapes import Shape, is_tensor, size, written

MAX_PARAMETERS = 100_000_000
"""Most parameters of a network: 400 MB of weights, three times that while training."""

MAX_NUMBERS = 16_000_000
"""Most numbers that one image may hold between two blocks: 64 MB an image."""

MAX_MULTIPLY_ADDS = 50_000_000_000
"""Most multiply-adds for one image."""


class Fix(msgspec.Struct, frozen=True):
    """A ready-made repair: what the button says, and the operations it applies."""

    label: Message
    operations: tuple[Operation, ...]


class Problem(msgspec.Struct, frozen=True):
    """Something wrong (`error`: it cannot train) or unwise (`warning`). `detail` is the arithmetic."""

    code: str
    level: Literal["error", "warning"]
    message: Message
    detail: Message | None = None
    fixes: tuple[Fix, ...] = ()


class BlockCheck(msgspec.Struct, frozen=True):
    """What the check found about one block. Shapes are None where an earlier error leaves them unknown."""

    id: str
    type: str
    input: Shape | None
    output: Shape | None
    parameters: int
    multiply_adds: int
    problems: tuple[Problem, ...] = ()


class Check(msgspec.Struct, frozen=True):
    """The whole network. `problems` are those of no single block; `ok` means that it can be trained."""

    ok: bool
    parameters: int
    multiply_adds: int
    blocks: tuple[BlockCheck, ...]
    problems: tuple[Problem, ...] = ()


def check(document: Document, input_shape: Shape, classes: int) -> Check:
    """Check a document against a dataset's image shape `(C, H, W)` and its number of classes."""
    if len(document.blocks) > MAX_BLOCKS:
        return Check(False, 0, 0, (), (_too_many(document),))
    shape: Shape | None = input_shape
    seen: set[str] = set()
    repeated: list[int] = []
    found: list[BlockCheck] = []
    for position, block in enumerate(document.blocks):
        checked = _check_block(block, position, shape, block.id in seen)
        if block.id in seen:
            repeated.append(position)
        seen.add(block.id)
        found.append(checked)
        shape = checked.output
    found, problems = _check_end(document, found, shape, classes)
    for position in repeated:
        # An operation on this id would meet the first block of that name, so none is offered.
        unfixed = tuple(msgspec.structs.replace(problem, fixes=()) for problem in found[position].problems)
        found[position] = msgspec.structs.replace(found[position], problems=unfixed)
    parameters = sum(block.parameters for block in found)
    multiply_adds = sum(block.multiply_adds for block in found)
    problems += _check_totals(document, shape, parameters, multiply_adds)
    ok = not any(problem.level == "error" for problem in _all_problems(found, problems))
    return Check(ok, parameters, multiply_adds, tuple(found), tuple(problems))


def errors(result: Check) -> list[tuple[BlockCheck | None, Problem]]:
    """All errors in order, each with its block; those of the whole network come last."""
    pairs: list[tuple[BlockCheck | None, Problem]] = [(b, p) for b in result.blocks for p in b.problems]
    pairs += [(None, problem) for problem in result.problems]
    return [(block, problem) for block, problem in pairs if problem.level == "error"]


def _all_problems(found: Iterable[BlockCheck], problems: Iterable[Problem]) -> Iterable[Problem]:
    for block in found:
        yield from block.problems
    yield from problems


def _check_block(block: Block, position: int, shape: Shape | None, taken: bool) -> BlockCheck:
    problems: list[Problem] = []
    remove = Fix(say("Remove {type}", type=foreign(block.type)), (Remove(block.id),))
    if not valid_id(block.id):
        problems.append(
            Problem("bad_id", "error", say("{id} is no valid id for a block.", id=repr(foreign(block.id))), None, ())
        )
    if taken:
        problems.append(
            Problem("duplicate_id", "error", say("Another block has the id {id} as well.", id=foreign(block.id)))
        )
    kind = CATALOGUE.get(block.type)
    if kind is None:
        message = say("There is no block of the type {type}.", type=foreign(block.type))
        problems.append(Problem("unknown_type", "error", message, None, (remove,)))
        return BlockCheck(block.id, block.type, shape, None, 0, 0, tuple(problems))
    if block.branches is not None:
        message = say("{type} has no branches.", type=block.type)
        problems.append(Problem("no_branches", "error", message, None, (remove,)))
    values, refused = kind.complete(block.params)
    problems += [_bad_parameter(block, kind, name, message) for name, message in refused.items()]
    if shape is None:
        return BlockCheck(block.id, block.type, None, None, 0, 0, tuple(problems))
    try:
        output = kind.output(values, shape)
    except ShapeError as error:
        fixes = tuple(_as_fix(cure, block, position) for cure in error.cures)
        problems.append(Problem(error.code, "error", error.message, error.detail, fixes))
        return BlockCheck(block.id, block.type, shape, None, 0, 0, tuple(problems))
    if size(output) > MAX_NUMBERS:
        message = say("After {type} one image is {shape}, which is too large to train.", type=block.type,
                      shape=written(output))  # fmt: skip
        detail = say("{size} numbers, at most {limit}", size=f"{size(output):,}", limit=f"{MAX_NUMBERS:,}")
        problems.append(Problem("too_large", "error", message, detail, (remove,)))
        return BlockCheck(block.id, block.type, shape, None, 0, 0, tuple(problems))
    return BlockCheck(
        block.id,
        block.type,
        shape,
        output,
        kind.parameters(values, shape),
        kind.multiply_adds(values, shape),
        tuple(problems),
    )


def _bad_parameter(block: Block, kind: BlockType, name: str, message: Message) -> Problem:
    default = {param.name: param for param in kind.params}.get(name)
    reset = (SetParams(block.id, {name: None}),)
    if default is None:
        return Problem(
            "unknown_parameter", "error", message, None, (Fix(say("Remove {name}", name=foreign(name)), reset),)
        )
    label = say("Set {name} to {value}", name=name, value=default.written(default.default) or "–")
    return Problem("bad_parameter", "error", message, None, (Fix(label, reset),))


def _as_fix(cure: Cure, block: Block, position: int) -> Fix:
    operations: tuple[Operation, ...]
    match cure:
        case SetHere(params=params):
            operations = (SetParams(block.id, params),)
        case InsertBefore(blocks=blocks):
            operations = tuple(Add(kind, position + i, params) for i, (kind, params) in enumerate(blocks))
        case RemoveHere():
            operations = (Remove(block.id),)
    return Fix(cure.label, operations)


def _check_end(
    document: Document, found: list[BlockCheck], shape: Shape | None, classes: int
) -> tuple[list[BlockCheck], list[Problem]]:
    """The last block must give one number a class; what it gives and lacks stands at that block."""
    if not found:
        fix = Fix(
            say("Start with Flatten and Linear"), (Add("Flatten"), Add("Linear", None, {"out_features": classes}))
        )
        message = say("The network is empty: add a first block from the left.")
        return found, [Problem("empty", "error", message, None, (fix,))]
    if shape is None:
        return found, []
    problems: list[Problem] = []
    last = document.blocks[-1]
    if shape != (classes,):
        problems.append(
            Problem(
                "wrong_output",
                "error",
                say(
                    "The network must end in {classes} numbers, one for each class, but {type} gives {shape}.",
                    classes=classes,
                    type=last.type,
                    shape=written(shape),
                ),
                None,
                _end_fixes(last, shape, classes),
            )
        )
    elif last.type == "Softmax":
        problems.append(
            Problem(
                "softmax_before_loss",
                "warning",
                say("The loss applies Softmax itself; a second one here makes learning slow."),
                None,
                (Fix(say("Remove {type}", type=last.type), (Remove(last.id),)),),
            )
        )
    checked = found[-1]
    return [*found[:-1], msgspec.structs.replace(checked, problems=(*checked.problems, *problems))], []


def _end_fixes(last: Block, shape: Shape, classes: int) -> tuple[Fix, ...]:
    linear: dict[str, Any] = {"out_features": classes}
    if last.type == "Linear":
        return (Fix(say("Set its outputs to {classes}", classes=classes), (SetParams(last.id, linear),)),)
    if is_tensor(shape):
        return (
            Fix(
                say("Add Flatten and Linear with {classes} outputs", classes=classes),
                (Add("Flatten"), Add("Linear", None, linear)),
            ),
        )
    return (Fix(say("Add Linear with {classes} outputs", classes=classes), (Add("Linear", None, linear),)),)


def _check_totals(document: Document, shape: Shape | None, parameters: int, multiply_adds: int) -> list[Problem]:
    problems: list[Problem] = []
    if parameters > MAX_PARAMETERS:
        message = say(
            "The network has {parameters} parameters; at most {limit} can be trained here.",
            parameters=f"{parameters:,}",
            limit=f"{MAX_PARAMETERS:,}",
        )
        problems.append(Problem("too_many_parameters", "error", message))
    if multiply_adds > MAX_MULTIPLY_ADDS:
        message = say(
            "One image takes {multiply_adds} multiply-adds; at most {limit} can be trained here.",
            multiply_adds=f"{multiply_adds:,}",
            limit=f"{MAX_MULTIPLY_ADDS:,}",
        )
        problems.append(Problem("too_slow", "error", message))
    if document.blocks and shape is not None and parameters == 0:
        message = say("Nothing in this network can learn: add a Linear or a Conv2d block.")
        problems.append(Problem("nothing_to_learn", "error", message))
    return problems


def _too_many(document: Document) -> Problem:
    extra = document.blocks[MAX_BLOCKS]
    return Problem(
        "too_many_blocks",
        "error",
        say(
            "The network has {count} blocks; at most {limit} are allowed. The first one too many is {block} ({type}).",
            count=f"{len(document.blocks):,}",
            limit=MAX_BLOCKS,
            block=foreign(extra.id),
            type=foreign(extra.type),
        ),
    )
