"""Cards of the starters: description, size for a dataset, and measured test accuracies."""

from dataclasses import dataclass

from scv.blocks.check import check
from scv.blocks.measured import measured
from scv.blocks.starters import STARTERS, Starter
from scv.data.official.catalogue import DATASETS, DatasetInfo
from scv.web.blocks_view.drawings import silhouette


@dataclass(frozen=True)
class MeasuredScore:
    """A measured test accuracy, a share from 0 to 1. `dataset` is the title of the dataset."""

    dataset: str
    epochs: int
    accuracy: float


@dataclass(frozen=True)
class StarterCard:
    """A starter built for a dataset; `blocks` and `parameters` are those of the built network."""

    starter: Starter
    silhouette: tuple[str, ...]
    blocks: int
    parameters: int
    scores: tuple[MeasuredScore, ...]


def starter_cards(dataset: DatasetInfo) -> tuple[StarterCard, ...]:
    """All starters for a dataset. The score on this dataset comes first, then those on others."""
    return tuple(_card(starter, dataset) for starter in STARTERS.values())


def _card(starter: Starter, dataset: DatasetInfo) -> StarterCard:
    document = starter.build(dataset.shape, dataset.classes)
    checked = check(document, dataset.shape, dataset.classes)
    rows = sorted(measured(starter.name), key=lambda row: row.dataset != dataset.name)
    return StarterCard(
        starter=starter,
        silhouette=silhouette(document.blocks),
        blocks=len(checked.blocks),
        parameters=checked.parameters,
        scores=tuple(
            MeasuredScore(DATASETS[row.dataset].title, row.epochs, row.accuracy)
            for row in rows
            if row.dataset in DATASETS
        ),
    )
