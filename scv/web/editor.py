"""What the editor page shows, worked out from a version: palette, pieces, joints, side pane and totals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import msgspec

from scv.blocks.block import CATEGORIES, BlockType
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.check import check
from scv.blocks.codegen import module_lines
from scv.blocks.document import Block, Document, decode
from scv.blocks.findings import BlockCheck, Check, Problem
from scv.blocks.message import Message, say
from scv.blocks.operations import Add, Duplicate, Move, Operation, Remove
from scv.blocks.params import Choice, Flag, Numbers, Param
from scv.blocks.shapes import Shape, written
from scv.blocks.training import FIELDS, TrainingSettings
from scv.data.catalogue import DatasetInfo, find
from scv.db.tables import Model, Run, Version
from scv.web.edit import param_field, setting_field, shown_value
from scv.web.highlight import HighlightedLine, highlight_module

PANES = ("block", "code", "training", "runs")


@dataclass(frozen=True)
class Place:
    """Where in the editor somebody is: the chosen block and the tab of the side pane."""

    block: str | None = None
    pane: str = PANES[0]

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> "Place":
        pane = fields.get("pane", "")
        return cls(fields.get("block") or None, pane if pane in PANES else PANES[0])


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
class Piece:
    """One block as it stands in the stack. Button values are operations as JSON, None where not possible."""

    block: Block
    kind: BlockType | None
    check: BlockCheck
    position: int
    chosen: bool
    href: str
    fields: tuple[Field, ...]
    further: tuple[Field, ...]
    mends_above: tuple[Mend, ...]
    mends_below: tuple[Mend, ...]
    up: str | None
    down: str | None
    duplicate: str
    remove: str

    @property
    def category(self) -> str:
        return self.kind.category if self.kind else "structure"

    @property
    def broken(self) -> bool:
        return any(mend.problem.level == "error" for mend in (*self.mends_above, *self.mends_below))

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
    refusal: Refusal | None
    announcement: Message | None

    @property
    def href(self) -> str:
        return version_path(self.model.id, self.version.number)

    @property
    def chosen(self) -> Piece | None:
        return next((piece for piece in self.pieces if piece.chosen), None)

    @property
    def fits(self) -> bool:
        """Whether the network ends in one number for each class."""
        return self.result == (self.dataset.classes,)

    @property
    def active(self) -> Run | None:
        """The run that goes on, if there is one."""
        return next((run for run in self.runs if run.active), None)

    def tab(self, pane: str) -> str:
        return version_path(self.model.id, self.version.number, Place(self.place.block, pane))


def version_path(model_id: int, number: int, place: Place | None = None) -> str:
    """The editor's address, at a block and a tab."""
    path = f"/models/{model_id}/versions/{number}"
    if place is None:
        return path
    query = {"block": place.block, "pane": place.pane}
    return f"{path}?{urlencode({name: value for name, value in query.items() if value})}"


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
    refusal: Refusal | None = None,
    announcement: Message | None = None,
) -> EditorPage:
    dataset = find(version.model.dataset)
    document = decode(version.document)
    settings = msgspec.json.decode(version.settings, type=TrainingSettings)
    checked = check(document, dataset.shape, dataset.classes)
    ids = [block.id for block in document.blocks]
    if place.block not in ids:
        place = Place(ids[-1] if ids else None, place.pane)
    pieces = tuple(
        _piece(version, document, index, checked.blocks[index], place, refusal) for index in range(len(checked.blocks))
    )
    after = ids.index(place.block) + 1 if place.block in ids else None
    code = module_lines(document, dataset.shape, dataset.classes) if place.pane in ("block", "code") else ()
    return EditorPage(
        model=version.model,
        version=version,
        dataset=dataset,
        samples_ready=samples_ready,
        place=place,
        palette=_palette(after),
        pieces=pieces,
        mends=tuple(map(_mend, checked.problems)),
        check=checked,
        result=checked.blocks[-1].output if checked.blocks else dataset.shape,
        settings=tuple(
            _field(setting_field(param.name), param, getattr(settings, param.name), refusal) for param in FIELDS
        ),
        code=highlight_module(code, document),
        runs=runs,
        refusal=refusal,
        announcement=announcement,
    )


def _palette(after: int | None) -> tuple[tuple[str, str, tuple[Chip, ...]], ...]:
    return tuple(
        (
            key,
            title,
            tuple(Chip(kind, _json(Add(kind.type, after))) for kind in CATALOGUE.values() if kind.category == key),
        )
        for key, title in CATEGORIES
    )


def _piece(
    version: Version, document: Document, index: int, checked: BlockCheck, place: Place, refusal: Refusal | None
) -> Piece:
    block = document.blocks[index]
    kind = CATALOGUE.get(block.type)
    fields = [
        _field(param_field(block.id, param.name), param, block.params.get(param.name, param.default), refusal)
        for param in (kind.params if kind else ())
    ]
    last = len(document.blocks) - 1
    return Piece(
        block=block,
        kind=kind,
        check=checked,
        position=index,
        chosen=block.id == place.block,
        href=version_path(version.model.id, version.number, Place(block.id, "block")),
        fields=tuple(field for field in fields if field.param.main),
        further=tuple(field for field in fields if not field.param.main),
        mends_above=tuple(_mend(problem) for problem in checked.problems if not _after(problem, checked)),
        mends_below=tuple(_mend(problem) for problem in checked.problems if _after(problem, checked)),
        up=_json(Move(block.id, index - 1)) if index > 0 else None,
        down=_json(Move(block.id, index + 1)) if index < last else None,
        duplicate=_json(Duplicate(block.id)),
        remove=_json(Remove(block.id)),
    )


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
