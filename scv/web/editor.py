"""What the editor page shows, worked out from a version: palette, pieces, joints, side pane and totals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import msgspec

from scv.blocks.block import CATEGORIES, BlockType, Container
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.check import check
from scv.blocks.codegen import module_lines
from scv.blocks.document import MAX_DEPTH, Block, Document, decode
from scv.blocks.findings import BlockCheck, Check, Problem
from scv.blocks.message import Message, say
from scv.blocks.operations import Add, AddBranch, Duplicate, Move, Operation, Remove, RemoveBranch
from scv.blocks.params import Choice, Flag, Numbers, Param
from scv.blocks.shapes import Shape, written
from scv.blocks.training import FIELDS, TrainingSettings
from scv.blocks.tree import Chain, Spot, depth_of, walk
from scv.blocks.tree import find as find_block
from scv.data.catalogue import DatasetInfo, find
from scv.db.tables import Model, Run, Version
from scv.web.edit import param_field, setting_field, shown_value
from scv.web.highlight import HighlightedLine, highlight_module

PANES = ("block", "code", "training", "runs")


@dataclass(frozen=True)
class Place:
    """Where in the editor somebody is: the chosen block, a branch of it, and the tab of the side pane."""

    block: str | None = None
    pane: str = PANES[0]
    branch: int | None = None

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> "Place":
        pane, branch = fields.get("pane", ""), fields.get("branch", "")
        return cls(
            fields.get("block") or None,
            pane if pane in PANES else PANES[0],
            int(branch) if branch.isascii() and branch.isdecimal() and len(branch) < 3 else None,
        )


@dataclass(frozen=True)
class Refusal:
    """Why a posted form was not carried out, with the typed texts, which stay in their fields."""

    status: int
    message: Message
    fields: Mapping[str, Message] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Field:
    """A form field of a parameter or a training setting."""

    name: str
    param: Param
    text: str
    error: Message | None

    @property
    def id(self) -> str:
        return self.name.replace(":", "-")

    @property
    def options(self) -> tuple[str, ...]:
        """What can be chosen, where it is a choice."""
        if isinstance(self.param, Flag):
            return ("true", "false")
        return self.param.options if isinstance(self.param, Choice) else ()

    @property
    def may_be_empty(self) -> bool:
        """Whether an empty field means that PyTorch chooses."""
        return isinstance(self.param, Numbers) and self.param.empty

    @property
    def wide(self) -> int:
        """Characters that the field should hold without scrolling."""
        return min(max(len(self.text), 3), 12)


@dataclass(frozen=True)
class FixButton:
    """A repair that one press applies."""

    label: Message
    operations: str


@dataclass(frozen=True)
class Mend:
    """A problem where it is, with its arithmetic and its repairs."""

    problem: Problem
    fixes: tuple[FixButton, ...]


@dataclass(frozen=True)
class Arm:
    """A branch of a container with the pieces of its chain. `remove` is None while it must stay."""

    into: str
    branch: int
    title: Message
    chosen: bool
    href: str
    pieces: tuple["Piece", ...]
    remove: str | None


@dataclass(frozen=True)
class Piece:
    """One block as it stands in its chain. Button values are operations as JSON, None where not possible."""

    block: Block
    kind: BlockType | None
    check: BlockCheck
    chosen: bool
    href: str
    fields: tuple[Field, ...]
    further: tuple[Field, ...]
    mends_above: tuple[Mend, ...]
    mends_below: tuple[Mend, ...]
    up: str | None
    down: str | None
    inside: str | None
    outside: str | None
    beside: str | None
    duplicate: str
    remove: str
    arms: tuple[Arm, ...]
    add_branch: str | None

    @property
    def category(self) -> str:
        return self.kind.category if self.kind else "structure"

    @property
    def broken(self) -> bool:
        return any(mend.problem.level == "error" for mend in (*self.mends_above, *self.mends_below))

    @property
    def held(self) -> int:
        """How many blocks it holds."""
        return sum(1 for arm in self.arms for _ in _all(arm.pieces))

    @property
    def broken_inside(self) -> bool:
        """Whether one of the blocks it holds has an error."""
        return any(piece.broken for arm in self.arms for piece in _all(arm.pieces))

    @property
    def formula(self) -> tuple[str, ...]:
        """The arithmetic with this block's own numbers, where its input fits."""
        if self.kind is None or self.check.input is None or self.check.output is None:
            return ()
        values, _ = self.kind.complete(self.block.params)
        return self.kind.formula(values, self.check.input)


@dataclass(frozen=True)
class Chip:
    """A kind of block in the palette; pressing it adds one after the chosen block."""

    kind: BlockType
    operation: str


@dataclass(frozen=True)
class EditorPage:
    """The whole editor. `result` is what leaves the last block, None where an error hides it."""

    model: Model
    version: Version
    dataset: DatasetInfo
    samples_ready: bool
    place: Place
    palette: tuple[tuple[str, str, tuple[Chip, ...]], ...]
    pieces: tuple[Piece, ...]
    mends: tuple[Mend, ...]
    check: Check
    result: Shape | None
    settings: tuple[Field, ...]
    code: tuple[HighlightedLine, ...]
    runs: Sequence[Run]
    can_undo: bool
    can_redo: bool
    memory: int
    refusal: Refusal | None
    announcement: Message | None

    @property
    def href(self) -> str:
        return version_path(self.model.id, self.version.number)

    @property
    def chosen(self) -> Piece | None:
        return next((piece for piece in _all(self.pieces) if piece.chosen), None)

    @property
    def fits(self) -> bool:
        """Whether the network ends in one number for each class."""
        return self.result == (self.dataset.classes,)

    @property
    def active(self) -> Run | None:
        """The run that goes on, if there is one."""
        return next((run for run in self.runs if run.active), None)

    def tab(self, pane: str) -> str:
        return version_path(self.model.id, self.version.number, Place(self.place.block, pane, self.place.branch))


def version_path(model_id: int, number: int, place: Place | None = None) -> str:
    """The editor's address, at a block and a tab."""
    path = f"/models/{model_id}/versions/{number}"
    if place is None:
        return path
    query = {"block": place.block, "branch": place.branch, "pane": place.pane}
    return f"{path}?{urlencode({name: value for name, value in query.items() if value is not None})}"


def outputs(checked: Check) -> dict[str, Message | None]:
    """What every block gives, in words for the live region."""
    return {
        block.id: say("Output {shape}.", shape=written(block.output)) if block.output else None
        for block in checked.blocks
    }


def build_editor(
    version: Version,
    runs: Sequence[Run],
    place: Place,
    *,
    samples_ready: bool,
    history: tuple[bool, bool] = (False, False),
    refusal: Refusal | None = None,
    announcement: Message | None = None,
) -> EditorPage:
    dataset = find(version.model.dataset)
    document = decode(version.document)
    settings = msgspec.json.decode(version.settings, type=TrainingSettings)
    checked = check(document, dataset.shape, dataset.classes)
    place = _settled(place, document)
    code = module_lines(document, dataset.shape, dataset.classes) if place.pane in ("block", "code") else ()
    return EditorPage(
        model=version.model,
        version=version,
        dataset=dataset,
        samples_ready=samples_ready,
        place=place,
        palette=_palette(document, place),
        pieces=_Pieces(version, place, checked, refusal).trunk(document) if checked.blocks else (),
        mends=tuple(map(_mend, checked.problems)),
        check=checked,
        result=checked.trunk[-1].output if checked.blocks else dataset.shape,
        settings=tuple(
            _field(setting_field(param.name), param, getattr(settings, param.name), refusal) for param in FIELDS
        ),
        code=highlight_module(code, document),
        runs=runs,
        can_undo=history[0],
        can_redo=history[1],
        memory=4 * settings.batch_size * checked.activations + 16 * checked.parameters,
        refusal=refusal,
        announcement=announcement,
    )


def _settled(place: Place, document: Document) -> Place:
    """The place, or the nearest one where its block or branch is gone."""
    found = next((block for block, _ in walk(document.blocks) if block.id == place.block), None)
    if found is None:
        return Place(document.blocks[-1].id if document.blocks else None, place.pane)
    if place.branch is not None and place.branch >= len(found.branches or ()):
        return Place(place.block, place.pane)
    return place


def next_spot(document: Document, place: Place) -> tuple[Spot, int | None]:
    """Where a pressed block goes: the end of the chosen branch, into an empty container, or after the chosen block."""
    found = find_block(document, place.block) if place.block else None
    if place.block is None or found is None:
        return Spot(), None
    if place.branch is not None:
        return Spot(place.block, place.branch), None
    block = next(block for block, _ in walk(document.blocks) if block.id == place.block)
    if isinstance(CATALOGUE.get(block.type), Container) and block.branches and not any(block.branches):
        return Spot(place.block, 0), None
    return found[0], found[1] + 1


def _palette(document: Document, place: Place) -> tuple[tuple[str, str, tuple[Chip, ...]], ...]:
    spot, position = next_spot(document, place)
    return tuple(
        (
            key,
            title,
            tuple(
                Chip(kind, _json(Add(kind.type, position, into=spot.into, branch=spot.branch)))
                for kind in CATALOGUE.values()
                if kind.category == key
            ),
        )
        for key, title in CATEGORIES
    )


def _all(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Every piece, a container before what it holds."""
    for piece in pieces:
        yield piece
        for arm in piece.arms:
            yield from _all(arm.pieces)


class _Pieces:
    """Makes the pieces in the order of the check, which lists a container before what it holds."""

    def __init__(self, version: Version, place: Place, checked: Check, refusal: Refusal | None) -> None:
        self._version = version
        self._place = place
        self._checks = iter(checked.blocks)
        self._refusal = refusal

    def trunk(self, document: Document) -> tuple[Piece, ...]:
        return self._chain(document.blocks, Spot(), (), 0)

    def _chain(
        self, chain: Chain, spot: Spot, around: tuple[tuple[Block, Spot, int], ...], depth: int
    ) -> tuple[Piece, ...]:
        """The pieces of a chain; `around` holds the containers that it is in, with their places."""
        return tuple(self._piece(chain, index, spot, around, depth) for index in range(len(chain)))

    def _piece(
        self, chain: Chain, index: int, spot: Spot, around: tuple[tuple[Block, Spot, int], ...], depth: int
    ) -> Piece:
        block, checked = chain[index], next(self._checks)
        kind = CATALOGUE.get(block.type)
        fields = [
            _field(param_field(block.id, param.name), param, block.params.get(param.name, param.default), self._refusal)
            for param in (kind.params if kind else ())
        ]
        container = kind if isinstance(kind, Container) and depth < MAX_DEPTH else None
        return Piece(
            block=block,
            kind=kind,
            check=checked,
            chosen=block.id == self._place.block,
            href=self._href(block.id),
            fields=tuple(field for field in fields if field.param.main),
            further=tuple(field for field in fields if not field.param.main),
            mends_above=tuple(_mend(problem) for problem in checked.problems if not _after(problem, checked)),
            mends_below=tuple(_mend(problem) for problem in checked.problems if _after(problem, checked)),
            up=_move(block, index - 1, spot) if index > 0 else None,
            down=_move(block, index + 1, spot) if index < len(chain) - 1 else None,
            inside=_inside(block, chain[index - 1] if index else None, depth),
            outside=_move(block, around[-1][2] + 1, around[-1][1]) if around else None,
            beside=_beside(block, around[-1][0], spot) if around else None,
            duplicate=_json(Duplicate(block.id)),
            remove=_json(Remove(block.id)),
            arms=self._arms(container, block, (*around, (block, spot, index)), depth) if container else (),
            add_branch=(
                _json(AddBranch(block.id)) if container and len(block.branches or ()) < container.most else None
            ),
        )

    def _arms(
        self, kind: Container, block: Block, around: tuple[tuple[Block, Spot, int], ...], depth: int
    ) -> tuple[Arm, ...]:
        branches = block.branches or ()
        return tuple(
            Arm(
                into=block.id,
                branch=number,
                title=kind.branch_title(number),
                chosen=block.id == self._place.block and number == self._place.branch,
                href=self._href(block.id, number),
                pieces=self._chain(branch, Spot(block.id, number), around, depth + 1),
                remove=_json(RemoveBranch(block.id, number)) if len(branches) > kind.fewest else None,
            )
            for number, branch in enumerate(branches)
        )

    def _href(self, block: str, branch: int | None = None) -> str:
        return version_path(self._version.model.id, self._version.number, Place(block, "block", branch))


def _move(block: Block, position: int, spot: Spot) -> str:
    return _json(Move(block.id, position, spot.into, spot.branch))


def _inside(block: Block, above: Block | None, depth: int) -> str | None:
    """Into the first branch of the container above, at its end."""
    if above is None or not above.branches or not isinstance(CATALOGUE.get(above.type), Container):
        return None
    if depth + 1 + depth_of(block) > MAX_DEPTH:
        return None
    return _move(block, len(above.branches[0]), Spot(above.id, 0))


def _beside(block: Block, container: Block, spot: Spot) -> str | None:
    """To the end of the next branch; from the last one to the first."""
    branches = container.branches or ()
    beside = (spot.branch + 1) % len(branches)
    return None if beside == spot.branch else _move(block, len(branches[beside]), Spot(container.id, beside))


def _after(problem: Problem, checked: BlockCheck) -> bool:
    """Whether a problem is about what leaves the block: then it stands below, else where its input arrives."""
    return checked.output is not None and problem.code in ("wrong_output", "softmax_before_loss")


def _field(name: str, param: Param, value: Any, refusal: Refusal | None) -> Field:
    text = shown_value(param, value)
    if refusal is None:
        return Field(name, param, text, None)
    return Field(name, param, refusal.typed.get(name, text), refusal.fields.get(name))


def _mend(problem: Problem) -> Mend:
    return Mend(problem, tuple(FixButton(fix.label, _json(fix.operations)) for fix in problem.fixes))


def _json(operations: Operation | tuple[Operation, ...]) -> str:
    return msgspec.json.encode(operations).decode()
