"""Whether a dataset can be trained on, as the pages say it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from scv.data.official.catalogue import DATASETS, DatasetInfo
from scv.data.resident import is_prepared
from scv.jobs.events import BrokerAwayError
from scv.jobs.failures import preparation_failure
from scv.jobs.prepare_state import Underway, ask_for, underway
from scv.message import Message, mark, say
from scv.web.http.services import Services

Kind = Literal["ready", "working", "failed", "missing", "unprepared"]

LICENCES = {
    "unstated": mark("not stated by its authors"),
    "non-commercial": mark("for non-commercial use only"),
    "public domain": mark("public domain"),
}
"""What licences without a name are called; all others are called by their names."""

WORDS = frozenset(
    (
        mark("airplane"),
        mark("automobile"),
        mark("bird"),
        mark("cat"),
        mark("deer"),
        mark("dog"),
        mark("frog"),
        mark("horse"),
        mark("ship"),
        mark("truck"),
        mark("T-shirt/top"),
        mark("Trouser"),
        mark("Pullover"),
        mark("Dress"),
        mark("Coat"),
        mark("Sandal"),
        mark("Shirt"),
        mark("Sneaker"),
        mark("Bag"),
        mark("Ankle boot"),
    )
)
"""The names of classes that are words, and so are translated where they are shown."""


@dataclass(frozen=True)
class DatasetState:
    """`kind` ready: it can be opened; working: it is being made, `underway` says how far that is; failed: `failure`
    says why; missing: it has to be downloaded first; unprepared: its files are here and only have to be converted.
    `problem` keeps the work from going on."""

    dataset: DatasetInfo
    kind: Kind
    failure: Message | None = None
    underway: Underway | None = None
    problem: Message | None = None

    @property
    def licence(self) -> str:
        return LICENCES.get(self.dataset.licence, self.dataset.licence)


def state_of(data_dir: Path, dataset: DatasetInfo) -> DatasetState:
    if is_prepared(data_dir, dataset.name):
        return DatasetState(dataset, "ready")
    if failure := preparation_failure(data_dir, dataset.name):
        return DatasetState(dataset, "failed", failure=failure)
    if said := underway(data_dir, dataset.name):
        return DatasetState(dataset, "working", underway=said)
    if dataset.name not in DATASETS:  # somebody's own, whose files are gone
        return DatasetState(dataset, "failed", failure=say("Its files are not on the server's disk any more."))
    return DatasetState(dataset, "unprepared" if dataset.is_at_hand(data_dir) else "missing")


async def look_at(services: Services, dataset: DatasetInfo) -> DatasetState:
    """The state, and see to it that what needs no download, or was asked for, is being made.

    That is asked for again at every look: a worker that was killed in the middle tells nobody.
    """
    data_dir = services.settings.data_dir
    state = state_of(data_dir, dataset)
    if state.kind == "unprepared":
        ask_for(data_dir, dataset.name)
        state = state_of(data_dir, dataset)
    if state.kind in ("working", "unprepared"):
        try:
            await services.queue.enqueue_preparation(dataset.name)
        except BrokerAwayError as error:
            return replace(state, problem=error.message)
    return state
