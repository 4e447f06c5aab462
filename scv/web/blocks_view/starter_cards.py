"""The starters as cards: what they are, how large for some pictures, and how well they did when we trained them."""

from dataclasses import dataclass

from scv.blocks.check import check
from scv.blocks.measured import measured
from scv.blocks.starters import STARTERS, Starter
from scv.data.official.catalogue import DATASETS, DatasetInfo
from scv.web.blocks_view.drawings import silhouette


@dataclass(frozen=True)
class MeasuredScore:
    """A measured test accuracy, of 1, after so many epochs on a dataset, by its title."""

    dataset: str
    epochs: int
    accuracy: float


@dataclass(frozen=True)
class StarterCard:
    """A network to begin with, built for a dataset; `parameters` as it would be there."""

    starter: Starter
    silhouette: tuple[str, ...]
    blocks: int
    parameters: int
    scores: tuple[MeasuredScore, ...]


def starter_cards(dataset: DatasetInfo) -> tuple[StarterCard, ...]:
    """All starters for a dataset. Its own score comes first, then those on other pictures."""
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
