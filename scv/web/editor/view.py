"""What the editor page shows, worked out from a version: palette, pieces, side pane, problems and totals."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from scv.blocks.block import BlockType
from scv.blocks.check import check
from scv.blocks.codegen import block_lines, module_lines
from scv.blocks.document import Document
from scv.blocks.findings import Check, errors
from scv.blocks.shapes import Shape, is_tensor, written
from scv.blocks.tree import taken
from scv.data.official.catalogue import DatasetInfo
from scv.db.tables import Model, Run, Version
from scv.db.versions import Surroundings
from scv.message import Message, say
from scv.training.recommend import Recommendation, network_facts, recommended
from scv.training.settings import FIELDS
from scv.web.blocks_view.blocks import Field, Piece, ProblemCard, Refusal, every, form_field, mend_of
from scv.web.blocks_view.form_fields import setting_field
from scv.web.blocks_view.highlight import HighlightedLine, highlight_module
from scv.web.blocks_view.pieces import pieces_to_edit
from scv.web.blocks_view.place import Addresses, Place, version_path
from scv.web.datasets.lookup import dataset_of
from scv.web.editor.palette import PALETTE, PaletteSection, Read, find_kinds
from scv.web.runs.estimates import Estimate, batch_memory, estimate_time


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the editor shows that was loaded, and what came of a form.

    `gone` says that its reader cannot train on the images any more.
    """

    version: Version
    runs: Sequence[Run]
    around: Surroundings
    samples_ready: bool
    samples_failure: Message | None
    gone: bool
    refusal: Refusal | None = None
    announcement: Message | None = None

    @property
    def model(self) -> Model:
        return self.version.model

    @property
    def can_undo(self) -> bool:
        return self.around.history.can_undo(self.version)

    @property
    def can_redo(self) -> bool:
        return self.around.history.can_redo(self.version)

    @property
    def clipboard(self) -> tuple[str, ...]:
        """The types of the blocks that Paste would put in."""
        return tuple(block.type for block in self.around.clipboard)

    @property
    def newer(self) -> str | None:
        """The name of a version of the images that is newer than the model's."""
        return self.around.newer_dataset


@dataclass(frozen=True, kw_only=True)
class EditorPage(Shown):
    """The whole editor. `result` is what leaves the last block, None where an error hides it.

    `found` is what the palette's search found, None while nothing is searched for; `settings` are the fields of the
    training pane while that is open, `code` the lines that the open pane shows, `memory` are the bytes that a batch
    needs while training, `time` is what the training will take, None where nothing was measured.
    """

    dataset: DatasetInfo
    place: Place
    palette: tuple[PaletteSection, ...]
    found: list[BlockType] | None
    pieces: tuple[Piece, ...]
    mends: tuple[ProblemCard, ...]
    check: Check
    result: Shape | None
    settings: tuple[Field, ...]
    recommendation: Recommendation
    as_recommended: bool
    code: tuple[HighlightedLine, ...]
    memory: int
    time: Estimate | None

    @property
    def main_settings(self) -> tuple[Field, ...]:
        """The settings that the training pane shows at once."""
        return tuple(field for field in self.settings if field.param.main)

    @property
    def further_settings(self) -> tuple[Field, ...]:
        """The settings that the training pane hides until they are wanted."""
        return tuple(field for field in self.settings if not field.param.main)

    @property
    def refused_further(self) -> bool:
        """Whether a hidden setting was refused, so that all of them must be shown."""
        return any(field.error for field in self.further_settings)

    @property
    def href(self) -> str:
        return version_path(self.model.id, self.version.number)

    @property
    def chosen(self) -> Piece | None:
        return next((piece for piece in every(self.pieces) if piece.chosen), None)

    @property
    def fits(self) -> bool:
        """Whether the network ends in one number for each class."""
        return self.result == (self.dataset.classes,)

    @property
    def active(self) -> Run | None:
        """The run that goes on, if there is one."""
        return next((run for run in self.runs if run.active), None)

    @property
    def errors(self) -> int:
        """How many errors there are; an empty network has none yet."""
        return len(errors(self.check)) if self.pieces else 0

    @property
    def advice(self) -> int:
        """How many warnings there are."""
        return sum(problem.level == "warning" for block in self.check.blocks for problem in block.problems)

    @property
    def sees(self) -> tuple[int, int] | None:
        """The receptive field of the last tensor, in pixels; None where that is the whole image, or unknown."""
        tensors = [block for block in self.check.trunk if block.output and is_tensor(block.output)]
        return tensors[-1].sees if tensors else None

    @property
    def repairable(self) -> bool:
        """Whether "repair all" has something to begin with."""
        return bool(self.pieces) and any(fix.safe for _, problem in errors(self.check) for fix in problem.fixes)

    @property
    def first_problem(self) -> str | None:
        """The id of the first element that shows a problem, errors before advice."""
        for level in ("error", "warning"):
            for piece in every(self.pieces):
                if any(mend.problem.level == level for mend in (*piece.mends_above, *piece.mends_below)):
                    return f"choose-{piece.block.id}"
        return None

    def tab(self, pane: str) -> str:
        return self._path(msgspec.structs.replace(self.place, pane=pane))

    def shown(self, view: str) -> str:
        """The address of the same place, shown in another way."""
        return self._path(msgspec.structs.replace(self.place, view=view))

    def address_of(self, page: str) -> str:
        """The address of another page about this version, from which one comes back to this place."""
        return self.href + "/" + page + self._path(self.place).removeprefix(self.href)

    def _path(self, place: Place) -> str:
        return version_path(self.model.id, self.version.number, place)


def outputs(checked: Check) -> dict[str, Message | None]:
    """What every block gives, in words for the live region."""
    return {
        block.id: say("Output {shape}.", shape=written(block.output)) if block.output else None
        for block in checked.blocks
    }


def build_editor(shown: Shown, place: Place, read: Read, checked: Check | None = None) -> EditorPage:
    """The page of a version at a place.

    `read` gives texts in the reader's language, for the search; `checked` is the check of the version's document, where
    it was made already.
    """
    version, refusal = shown.version, shown.refusal
    dataset, document, settings = dataset_of(version.model), version.document, version.settings
    checked = checked or check(document, dataset.shape, dataset.classes)
    place = _settled(place, document)
    recommendation = recommended(dataset, network_facts(document, checked))
    fields = FIELDS if place.pane == "training" else ()
    elsewhere = version_path(version.model.id, version.number, Place(view=place.view, search=place.search))
    return EditorPage(
        **{field.name: getattr(shown, field.name) for field in dataclasses.fields(shown)},
        dataset=dataset,
        place=place,
        palette=PALETTE,
        found=find_kinds(place.search, read) if place.search else None,
        pieces=pieces_to_edit(document, checked, place, Addresses(elsewhere), refusal),
        mends=tuple(map(mend_of, checked.problems)),
        check=checked,
        result=checked.trunk[-1].output if checked.blocks else dataset.shape,
        settings=tuple(
            form_field(setting_field(param.name), param, getattr(settings, param.name), refusal) for param in fields
        ),
        recommendation=recommendation,
        as_recommended=settings == recommendation.settings,
        code=_code(document, checked, place, dataset),
        memory=batch_memory(checked, settings.batch_size),
        time=estimate_time(shown.runs, checked, document, settings, dataset) if checked.ok else None,
    )


def _code(document: Document, checked: Check, place: Place, dataset: DatasetInfo) -> tuple[HighlightedLine, ...]:
    """The code that the open pane shows: that of the chosen block, or all of it."""
    match place.pane:
        case "block" if place.block is not None:
            return highlight_module(block_lines(document, checked, place.block), document)
        case "code":
            return highlight_module(module_lines(document, dataset.shape, dataset.classes, checked), document)
        case _:
            return ()


def _settled(place: Place, document: Document) -> Place:
    """The place, or the nearest one where its block or branch is gone. An editor that is just opened shows its top."""
    chosen = taken(document, place.block) if place.block else None
    if chosen is None:
        nearest = (document.blocks[-1 if place.block else 0].id) if document.blocks else None
        return msgspec.structs.replace(place, block=nearest, branch=None)
    if place.branch is not None and place.branch >= len(chosen.branches or ()):
        return msgspec.structs.replace(place, branch=None)
    return place
