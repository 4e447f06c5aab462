"""The check of a document in one pass: its shapes and costs, what is wrong with it, and how to fix it.

Everything the editor, the command line and the run say about a network comes from here.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from scv.blocks.advice import advise
from scv.blocks.block import BlockType, Container, SetHere, ShapeError
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.document import MAX_BLOCKS, MAX_DEPTH, Block, Document, valid_id
from scv.blocks.findings import BlockCheck, Check, Fix, Problem
from scv.blocks.fixes import At, keep_size
from scv.blocks.operations import Add, AddBranch, Operation, RemoveBranch, SetParams
from scv.blocks.params import Values
from scv.blocks.receptive_field import ReceptiveField
from scv.blocks.shapes import Shape, is_tensor, size, written
from scv.blocks.tree import Chain, Spot, walk
from scv.message import Message, foreign, say

MAX_PARAMETERS = 100_000_000
"""Most parameters of a network: 400 MB of weights, three times that while training."""

MAX_NUMBERS = 16_000_000
"""Most numbers that one image may hold between two blocks: 64 MB an image."""

MAX_MULTIPLY_ADDS = 50_000_000_000
"""Most multiply-adds for one image."""


def check(document: Document, input_shape: Shape, classes: int) -> Check:
    """Check a document against a dataset's image shape `(C, H, W)` and its number of classes."""
    every = [block for block, _ in walk(document.blocks)]
    if len(every) > MAX_BLOCKS:
        return Check(False, 0, 0, 0, (), (_too_many(every),))
    walker = _Walker(input_shape)
    shape, _ = walker.chain(document.blocks, Spot(), input_shape, ReceptiveField(), 0)
    trunk = [block for block in walker.found if block.into is None]
    totals = [sum(getattr(block, name) for block in trunk) for name in ("parameters", "multiply_adds", "activations")]
    problems = _check_totals(totals[0], totals[1])
    if totals[0] == 0 and document.blocks and shape is not None:
        problems.append(_nothing_to_learn(classes, fits=shape == (classes,)))
    if not document.blocks:
        problems.insert(0, _empty(classes))
    elif shape is not None and shape != (classes,):
        last = At(document.blocks[-1], Spot(), len(document.blocks) - 1)
        walker.report(walker.found.index(trunk[-1]), _wrong_output(last, shape, classes))
    for index, problem in advise(document, walker.found, input_shape, fits=bool(trunk) and shape == (classes,)):
        walker.report(index, problem)
    walker.drop_fixes_of_repeated_ids()
    found = tuple(walker.found)
    reported = [*problems, *(problem for block in found for problem in block.problems)]
    ok = not any(problem.level == "error" for problem in reported)
    return Check(ok, totals[0], totals[1], totals[2], found, tuple(problems))


class _Walker:
    """Goes through all chains in order and notes what it finds about each block."""

    def __init__(self, input_shape: Shape) -> None:
        self.found: list[BlockCheck] = []
        self._image = input_shape[-2:]
        self._seen: set[str] = set()
        self._repeated: list[int] = []

    def chain(
        self, chain: Chain, spot: Spot, shape: Shape | None, field: ReceptiveField, depth: int
    ) -> tuple[Shape | None, ReceptiveField]:
        """Check a chain with the input shape `shape`; return its output shape and receptive field.

        The output shape is None where an error leaves it unknown.
        """
        for position, block in enumerate(chain):
            shape, field = self._block(At(block, spot, position), shape, field, depth)
        return shape, field

    def report(self, index: int, problem: Problem) -> None:
        """Add a problem to a block that was checked."""
        checked = self.found[index]
        self.found[index] = msgspec.structs.replace(checked, problems=(*checked.problems, problem))

    def drop_fixes_of_repeated_ids(self) -> None:
        """Drop fixes that would change the wrong block: an operation on a repeated id changes the first such block."""
        if not self._repeated:
            return
        twice = {self.found[index].id for index in self._repeated}
        for index, checked in enumerate(self.found):
            others = twice if index in self._repeated else twice - {checked.id}
            unfixed = tuple(
                msgspec.structs.replace(problem, fixes=tuple(fix for fix in problem.fixes if not fix.touches & others))
                for problem in checked.problems
            )
            self.found[index] = msgspec.structs.replace(checked, problems=unfixed)

    def _block(
        self, at: At, shape: Shape | None, field: ReceptiveField, depth: int
    ) -> tuple[Shape | None, ReceptiveField]:
        block = at.block
        index = len(self.found)
        problems = self._check_id(at, index)
        self.found.append(BlockCheck(block.id, block.type, at.spot.into, at.spot.branch, at.position, shape, None))
        kind = CATALOGUE.get(block.type)
        if kind is None:
            message = say("There is no block of the type {type}.", type=foreign(block.type))
            problems.append(Problem("unknown_type", "error", message, None, (at.remove(),)))
            self._note(index, problems=tuple(problems))
            return None, field
        values, refused = kind.complete(block.params)
        problems += [_bad_parameter(at, kind, name, message) for name, message in refused.items()]
        if isinstance(kind, Container):
            inside = self._branches(at, kind, shape, field, depth, problems)
        else:
            inside = None
            if block.branches is not None:
                message = say("{type} has no branches.", type=block.type)
                problems.append(Problem("no_branches", "error", message, None, (at.remove(),)))
        output = self._output(at, kind, values, shape, inside, problems)
        if output is None or shape is None:
            self._note(index, problems=tuple(problems))
            return None, field
        costs = (kind.parameters(values, shape), kind.multiply_adds(values, shape), size(output))
        held = [block for block in self.found[index + 1 :] if block.into == at.block.id]
        field = ReceptiveField.widest([s for _, s in inside]) if inside else kind.look(values, shape, field)
        self._note(
            index,
            output=output,
            parameters=costs[0] + sum(block.parameters for block in held),
            multiply_adds=costs[1] + sum(block.multiply_adds for block in held),
            activations=costs[2] + sum(block.activations for block in held),
            sees=field.within(self._image),
            problems=tuple(problems),
        )
        return output, field

    def _note(self, index: int, **changes: Any) -> None:
        self.found[index] = msgspec.structs.replace(self.found[index], **changes)

    def _check_id(self, at: At, index: int) -> list[Problem]:
        problems: list[Problem] = []
        block_id = at.block.id
        if not valid_id(block_id):
            message = say("{id} is no valid id for a block.", id=repr(foreign(block_id)))
            problems.append(Problem("bad_id", "error", message))
        if block_id in self._seen:
            self._repeated.append(index)
            message = say("Another block has the id {id} as well.", id=foreign(block_id))
            problems.append(Problem("duplicate_id", "error", message))
        self._seen.add(block_id)
        return problems

    def _branches(
        self,
        at: At,
        kind: Container,
        shape: Shape | None,
        field: ReceptiveField,
        depth: int,
        problems: list[Problem],
    ) -> list[tuple[Shape | None, ReceptiveField]] | None:
        """Output shape and receptive field of each branch; None if they are too few, too many or nested too deeply."""
        branches = at.block.branches or ()
        if depth >= MAX_DEPTH:
            message = say("Blocks can be nested at most {limit} deep.", limit=MAX_DEPTH)
            problems.append(Problem("too_deep", "error", message, None, (at.remove(),)))
            return None
        inside = [
            self.chain(branch, Spot(at.block.id, number), shape, field, depth + 1)
            for number, branch in enumerate(branches)
        ]
        if kind.fewest <= len(branches) <= kind.most:
            return inside
        problems.append(_branch_count(at, kind, len(branches)))
        return None

    def _output(
        self,
        at: At,
        kind: BlockType,
        values: Values,
        shape: Shape | None,
        inside: list[tuple[Shape | None, ReceptiveField]] | None,
        problems: list[Problem],
    ) -> Shape | None:
        if shape is None:
            return None
        try:
            if isinstance(kind, Container):
                shapes = [given for given, _ in inside or () if given is not None]
                if inside is None or len(shapes) < len(inside):
                    return None
                output = kind.join(values, shapes)
            else:
                output = kind.output(values, shape)
        except ShapeError as error:
            fixes = self._fixes(at, kind, values, shape, error)
            problems.append(Problem(error.code, "error", error.message, error.detail, tuple(fixes)))
            return None
        if size(output) > MAX_NUMBERS:
            message = say(
                "After {type} one image is {shape}, which is too large to train.",
                type=at.block.type,
                shape=written(output),
            )
            detail = say("{size} numbers, at most {limit}", size=f"{size(output):,}", limit=f"{MAX_NUMBERS:,}")
            problems.append(Problem("too_large", "error", message, detail, (at.remove(),)))
            return None
        return output

    def _fixes(self, at: At, kind: BlockType, values: Values, shape: Shape, error: ShapeError) -> list[Fix]:
        """The cures of the error as fixes, and those fixes that involve other blocks."""
        allowed = [cure for cure in error.cures if not isinstance(cure, SetHere) or not kind.complete(cure.params)[1]]
        fixes = [at.cure(cure) for cure in allowed]
        if isinstance(kind, Container) and (kept := keep_size(at, shape)):
            fixes.insert(0, kept)
        if error.code == "needs_tensor" and (moved := self._above_flatten(at, kind, values)):
            fixes = [*(fix for fix in fixes if fix.safe), moved, *(fix for fix in fixes if not fix.safe)]
        return fixes

    def _above_flatten(self, at: At, kind: BlockType, values: Values) -> Fix | None:
        """Moving the block above the Flatten of its chain that makes the vector, if it fits there."""
        for earlier in self.found:
            if (earlier.into, earlier.branch, earlier.type) != (at.spot.into, at.spot.branch, "Flatten"):
                continue
            if earlier.input is not None and is_tensor(earlier.input):
                try:
                    kind.output(values, earlier.input)
                except ShapeError:
                    return None
                return at.move(say("Move {type} above Flatten", type=at.block.type), earlier.position)
        return None


def _bad_parameter(at: At, kind: BlockType, name: str, message: Message) -> Problem:
    default = {param.name: param for param in kind.params}.get(name)
    if default is None:
        fix = at.set(say("Remove {name}", name=foreign(name)), {name: None})
        return Problem("unknown_parameter", "error", message, None, (fix,))
    label = say("Set {name} to {value}", name=name, value=default.written(default.default) or "–")
    return Problem("bad_parameter", "error", message, None, (at.set(label, {name: None}),))


def _branch_count(at: At, kind: Container, count: int) -> Problem:
    message = say(
        "{type} has {count} branches, but must have {fewest} to {most}.",
        type=kind.type,
        count=count,
        fewest=kind.fewest,
        most=kind.most,
    )
    operations: tuple[Operation, ...]
    if count < kind.fewest:
        label = say("Add what is missing")
        operations = (AddBranch(at.block.id),) * (kind.fewest - count)
    else:
        label = say("Remove the last blocks")
        operations = tuple(RemoveBranch(at.block.id, number) for number in range(count - 1, kind.most - 1, -1))
    return Problem("branch_count", "error", message, None, (Fix(label, operations, safe=count < kind.fewest),))


def _empty(classes: int) -> Problem:
    fix = Fix(say("Start with Flatten and Linear"), (Add("Flatten"), Add("Linear", None, {"out_features": classes})))
    return Problem("empty", "error", say("The network is empty. Add a block from the left."), None, (fix,))


def _wrong_output(last: At, shape: Shape, classes: int) -> Problem:
    message = say(
        "The network must end in {classes} numbers, one for each class, but the output of {type} is {shape}.",
        classes=classes,
        type=last.block.type,
        shape=written(shape),
    )
    linear: tuple[str, dict[str, Any]] = ("Linear", {"out_features": classes})
    if last.block.type == "Linear":
        fix = Fix(
            say("Set its outputs to {classes}", classes=classes),
            (SetParams(last.block.id, {"out_features": classes}),),
        )
    elif is_tensor(shape):
        label = say("Add Flatten and Linear with {classes} outputs", classes=classes)
        fix = last.after(label, (("Flatten", {}), linear))
    else:
        fix = last.after(say("Add Linear with {classes} outputs", classes=classes), (linear,))
    return Problem("wrong_output", "error", message, None, (fix,))


def _nothing_to_learn(classes: int, *, fits: bool) -> Problem:
    """The error of a network without weights. Unless the output `fits`, the fix of the wrong output adds a Linear."""
    message = say("Nothing in this network can learn: add a Linear or a Conv2d block.")
    fix = Fix(
        say("Add Linear with {classes} outputs", classes=classes), (Add("Linear", None, {"out_features": classes}),)
    )
    return Problem("nothing_to_learn", "error", message, None, (fix,) if fits else ())


def _check_totals(parameters: int, multiply_adds: int) -> list[Problem]:
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
            "One image takes {multiply_adds} multiply-adds; the limit here is {limit}.",
            multiply_adds=f"{multiply_adds:,}",
            limit=f"{MAX_MULTIPLY_ADDS:,}",
        )
        problems.append(Problem("too_slow", "error", message))
    return problems


def _too_many(every: Sequence[Block]) -> Problem:
    extra = every[MAX_BLOCKS]
    return Problem(
        "too_many_blocks",
        "error",
        say(
            "The network has {count} blocks; at most {limit} are allowed. The first one too many is {block} ({type}).",
            count=f"{len(every):,}",
            limit=MAX_BLOCKS,
            block=foreign(extra.id),
            type=foreign(extra.type),
        ),
    )
