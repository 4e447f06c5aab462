"""The report of a trained network: a folder of sections, each there as soon as it is ready.

`{section}.json` is the encoded Struct of a section, beside the PNG files that it names; `report.json` says which
sections are planned and how far they are. Each JSON appears by one rename, after its images, so that what is there is
whole. A report that is made again in its folder keeps the sections that the same weights and data have there already.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from scv.data.atomic import flush_files, write_atomically
from scv.data.resident import Resident
from scv.message import Message, foreign, mark, say
from scv.ml.device import use_threads
from scv.ml.explain.activation import make_activation
from scv.ml.explain.attribution import make_attribution
from scv.ml.explain.robustness import make_robustness
from scv.ml.explain.validity import make_validity
from scv.ml.export.parity import make_parity
from scv.ml.hooks import OnProgress
from scv.ml.predictions import Outcomes, answers_to, gives_numbers
from scv.ml.report.feature_visualization import make_maximization
from scv.ml.report.layer_similarity import make_similarity
from scv.ml.report.layers import make_layers
from scv.ml.report.metrics import make_metrics
from scv.ml.report.mistakes import make_labels, make_mistakes
from scv.ml.report.summary import make_summary
from scv.ml.train.preflight import is_out_of_memory, no_numbers
from scv.ml.trained import Trained, identity_of
from scv.report.contents import CONTENTS, FORMAT, Contents, FailedSection, SectionState, file_of, read_section
from scv.report.layers import Layers
from scv.report.metrics import Metrics
from scv.report.mistakes import Mistakes
from scv.training.progress import Result

S = TypeVar("S", bound=msgspec.Struct)

OnSection = Callable[[str, float, float], None]
"""Hears the name of the section that is being made, and which share is done of it and of the whole, 0 to 1.

It may raise, to stop the work.
"""


class ReportError(Exception):
    """There can be no report of these weights on these data; `message` says why."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(str(message))


@dataclass
class Work:
    """What sections are made of. What several need is worked out once, by the first."""

    trained: Trained
    resident: Resident
    folder: Path
    result: Result | None = None
    _outcomes: Outcomes | None = None

    def outcomes(self, on_progress: OnProgress) -> Outcomes:
        """The answers to all test images."""
        if self._outcomes is None:
            self._outcomes = answers_to(self.trained, self.resident.test_images, self.resident.test_labels, on_progress)
        return self._outcomes

    def made(self, section: str, kind: type[S]) -> S | None:
        """An earlier section, as it was written; None where it could not be made."""
        return read_section(self.folder, section, kind)


@dataclass(frozen=True)
class Section:
    """One section: `title` is a gettext id, `cost` what it takes beside others. `kept` ones are not made twice."""

    name: str
    title: str
    make: Callable[[Work, OnProgress], msgspec.Struct]
    cost: float
    kept: bool = True


def alone(
    make: Callable[[Trained, Resident, Path, OnProgress], msgspec.Struct],
) -> Callable[[Work, OnProgress], msgspec.Struct]:
    """A maker that needs nothing of other sections."""
    return lambda work, on_progress: make(work.trained, work.resident, work.folder, on_progress)


def of_answers(
    make: Callable[[Trained, Resident, Path, OnProgress, Outcomes], msgspec.Struct],
) -> Callable[[Work, OnProgress], msgspec.Struct]:
    """A maker that needs the answers to the test images as well."""
    return lambda work, on_progress: make(
        work.trained, work.resident, work.folder, on_progress, work.outcomes(lambda done: on_progress(0.0))
    )


def _metrics(work: Work, on_progress: OnProgress) -> Metrics:
    outcomes = work.outcomes(lambda done: on_progress(0.9 * done))
    return make_metrics(work.trained, work.resident, work.folder, on_progress, outcomes)


def _summary(work: Work, on_progress: OnProgress) -> msgspec.Struct:
    metrics = work.made("metrics", Metrics)
    if metrics is None:
        raise RuntimeError("the summary speaks of metrics that could not be made")
    layers, mistakes = work.made("layers", Layers), work.made("mistakes", Mistakes)
    return make_summary(work.trained, work.resident, metrics, layers, mistakes, work.result)


SECTIONS: tuple[Section, ...] = (
    Section("layers", mark("Layers"), alone(make_layers), 1),
    Section("metrics", mark("Test results"), _metrics, 3),
    Section("mistakes", mark("Mistakes"), of_answers(make_mistakes), 0.1),
    Section("summary", mark("Summary"), _summary, 0.1, kept=False),
    Section("similarity", mark("Layer similarity"), alone(make_similarity), 2),
    Section("maximization", mark("What maximally activates it"), alone(make_maximization), 10),
    Section("activation", mark("What activates each channel"), alone(make_activation), 8),
    Section("attribution", mark("Where it looks"), of_answers(make_attribution), 6),
    Section("robustness", mark("Robustness to degraded images"), alone(make_robustness), 6),
    Section("validity", mark("Can the maps be trusted?"), of_answers(make_validity), 8),
    Section("labels", mark("Labels that may be wrong"), alone(make_labels), 6),
    Section("parity", mark("Do the exports match?"), alone(make_parity), 2),
)
"""All sections in the order in which they are made: the first takes a second for any network of a starter's size."""


def make_report(
    trained: Trained,
    resident: Resident,
    folder: Path,
    *,
    result: Result | None = None,
    on_section: OnSection = lambda section, done, of_all: None,
    sections: Sequence[Section] = SECTIONS,
    threads: int | None = None,
) -> Contents:
    """Make the sections that `folder` does not have yet; what it then holds is returned.

    `result` is the end of the training, where it is known. A section that fails says so in its JSON, and the others
    are made all the same; it is tried again the next time. What `on_section` raises ends the work and comes out here.
    Sets the process's number of threads, to `threads` at most. Raises `ReportError` and, where the folder cannot be
    written, `OSError`.
    """
    info = trained.info
    if (resident.shape, resident.classes) != (info.input_shape, info.classes):
        raise ReportError(say("The images of {dataset} do not fit the network.", dataset=foreign(resident.name)))
    use_threads(threads, trained.cost.at_once * trained.cost.answer)
    if not gives_numbers(trained, resident):
        raise ReportError(no_numbers(info.settings))
    folder.mkdir(parents=True, exist_ok=True)
    states = _States(folder, f"{identity_of(trained)} {resident.hash}", sections)
    work = Work(trained, resident, folder, result)
    total, before = sum(section.cost for section in sections), 0.0
    for section in sections:
        if not (section.kept and states.has(section.name)):
            _make(section, work, states, on_section, before / total, section.cost / total)
        before += section.cost
        on_section(section.name, 1.0, before / total)
    return states.contents


def _make(section: Section, work: Work, states: "_States", on_section: OnSection, before: float, share: float) -> None:
    """Make one section and write it, or why it could not be made."""
    raised: list[BaseException] = []

    def on_progress(done: float) -> None:
        try:
            on_section(section.name, done, before + share * done)
        except BaseException as wish:
            raised.append(wish)
            raise

    began = time.monotonic()
    states.set(section.name, SectionState(section.name, section.title, "working"))
    made: msgspec.Struct
    try:
        on_progress(0.0)
        made = section.make(work, on_progress)
        _refuse_unwritable(made)
    except BaseException as error:  # whatever fails, the other sections are worth having
        if error in raised or not isinstance(error, Exception):
            states.set(section.name, SectionState(section.name, section.title))
            raise
        made = _failure(error)
    flush_files(work.folder)  # images are on the disk before what names them
    write_atomically(work.folder / file_of(section.name), msgspec.json.encode(made))
    state = SectionState(
        section.name, section.title, "failed" if isinstance(made, FailedSection) else "done", time.monotonic() - began
    )
    states.set(section.name, state)


def _refuse_unwritable(made: msgspec.Struct) -> None:
    """Raise `ValidationError` where a figure is no number, or beyond all: JSON has no word for it."""
    msgspec.json.decode(msgspec.json.encode(made), type=type(made))


def _failure(error: Exception) -> FailedSection:
    if isinstance(error, msgspec.ValidationError):
        message = say("The network's outputs are not numbers (NaN) or infinite, so this part cannot be made.")
    elif is_out_of_memory(error):
        message = say("The memory is too small for this part of the report.")
    else:
        message = say("This part of the report could not be made. The others are not affected.")
    return FailedSection(message, f"{type(error).__name__}: {error}")


class _States:
    """`report.json`, written anew at each change."""

    def __init__(self, folder: Path, weights: str, sections: Sequence[Section]) -> None:
        self._folder = folder
        earlier = self._read()
        done = {}
        if earlier is not None and earlier.weights == weights:
            done = {state.name: state for state in earlier.sections if state.state == "done"}
        planned = []
        for section in sections:
            path = folder / file_of(section.name)
            if section.name in done and _is_whole(path):
                planned.append(done[section.name])
            else:
                path.unlink(missing_ok=True)  # of other weights, torn, or failed
                planned.append(SectionState(section.name, section.title))
        self.contents = Contents(weights, tuple(planned))
        self._write()

    def has(self, name: str) -> bool:
        return any(state.name == name and state.state == "done" for state in self.contents.sections)

    def set(self, name: str, state: SectionState) -> None:
        states = tuple(state if other.name == name else other for other in self.contents.sections)
        self.contents = msgspec.structs.replace(self.contents, sections=states)
        self._write()

    def _write(self) -> None:
        write_atomically(self._folder / CONTENTS, msgspec.json.encode(self.contents))

    def _read(self) -> Contents | None:
        with suppress(OSError, msgspec.DecodeError):
            found = msgspec.json.decode((self._folder / CONTENTS).read_bytes(), type=Contents)
            return found if found.format == FORMAT else None
        return None


def _is_whole(path: Path) -> bool:
    """Whether the file holds JSON: a disk that failed may have left it empty."""
    with suppress(OSError, msgspec.DecodeError):
        msgspec.json.decode(path.read_bytes())
        return True
    return False
