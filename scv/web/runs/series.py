"""Runs of one network from several seeds: what they reached together."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scv.db.tables import Run


@dataclass(frozen=True)
class Sister:
    """One run of a series."""

    run: Run
    seed: int


@dataclass(frozen=True)
class Series:
    """All runs of a series in the order of their seeds.

    `mean` and `spread`, the sample standard deviation, are of the test accuracies, shares from 0 to 1; they are None
    while fewer than one and two runs are finished.
    """

    sisters: tuple[Sister, ...]
    mean: float | None
    spread: float | None

    @property
    def finished(self) -> int:
        return sum(1 for sister in self.sisters if sister.run.test_accuracy is not None)

    @property
    def active(self) -> bool:
        """Whether one of them goes on or waits."""
        return any(sister.run.active for sister in self.sisters)


def series_of(runs: Sequence[Run]) -> Series | None:
    """The series that the runs are; None for none."""
    if not runs:
        return None
    reached = [run.test_accuracy for run in runs if run.test_accuracy is not None]
    sisters = (Sister(run, run.settings.seed) for run in runs)
    return Series(tuple(sisters), fmean(reached) if reached else None, stdev(reached) if len(reached) > 1 else None)


def accuracies_of(run: Run, sisters: Sequence[Run]) -> list[list[float]]:
    """The validation accuracies, epoch by epoch, of the other runs of a run's series."""
    return [[epoch.validation_accuracy for epoch in sister.metrics] for sister in sisters if sister.id != run.id]
