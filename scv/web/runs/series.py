"""Runs of one network from several seeds: mean and spread of their test accuracies."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scv.db.tables import Run


@dataclass(frozen=True)
class SeriesRun:
    """One run of a series."""

    run: Run
    seed: int


@dataclass(frozen=True)
class Series:
    """All runs of a series in the order of their seeds.

    `mean` is the mean test accuracy, a share from 0 to 1; None while no run is finished. `spread` is the sample
    standard deviation; None while fewer than two runs are finished.
    """

    runs: tuple[SeriesRun, ...]
    mean: float | None
    spread: float | None

    @property
    def finished(self) -> int:
        """The number of finished runs."""
        return sum(1 for one in self.runs if one.run.test_accuracy is not None)

    @property
    def active(self) -> bool:
        """Whether any run is training or waiting."""
        return any(one.run.active for one in self.runs)


def series_of(runs: Sequence[Run]) -> Series | None:
    """The series of these runs; None where there are none."""
    if not runs:
        return None
    reached = [run.test_accuracy for run in runs if run.test_accuracy is not None]
    numbered = (SeriesRun(run, run.settings.seed) for run in runs)
    return Series(tuple(numbered), fmean(reached) if reached else None, stdev(reached) if len(reached) > 1 else None)


def accuracies_of(run: Run, runs: Sequence[Run]) -> list[list[float]]:
    """The validation accuracies of the other runs of the series, epoch by epoch."""
    return [[epoch.validation_accuracy for epoch in one.metrics] for one in runs if one.id != run.id]
