"""The figures of a training for `static/curve.js`, and their diagnosis."""

from collections.abc import Sequence
from typing import Any

import msgspec

from scv.data.official.catalogue import DatasetInfo
from scv.training.accuracy import Accuracy
from scv.training.diagnosis import Diagnosis, Evidence, diagnose
from scv.training.settings import TrainingSettings
from scv.web.runs.estimates import images_of
from scv.web.runs.live import LiveRun

SERIES = (
    "train_accuracy", "validation_accuracy", "train_loss", "validation_loss", "learning_rate", "images_per_second",
)  # fmt: skip
"""The figures of an epoch that are drawn."""


def plot_data(live: LiveRun, others: Sequence[Sequence[float]] = ()) -> str:
    """JSON: `x` in epochs, a list a series, and `others`, the validation accuracies of the other runs of the series.

    While an epoch goes on its training figures so far are a last point between two epochs.
    """
    data: dict[str, Any] = {"x": [float(metric.epoch) for metric in live.metrics], "epochs": live.epochs}
    for name in SERIES:
        data[name] = [getattr(metric, name) for metric in live.metrics]
    if (now := live.progress) is not None and now.epoch > len(live.metrics):
        data["x"].append(round(now.epoch - 1 + now.step / now.steps, 3))
        for name in SERIES:
            data[name].append(getattr(now, name, None))
    data["others"] = [list(accuracies) for accuracies in others]
    return msgspec.json.encode(data).decode()


def diagnoses(
    live: LiveRun, settings: TrainingSettings, dataset: DatasetInfo, test_accuracy: float | None = None
) -> tuple[Diagnosis, ...]:
    """The diagnosis of the curves so far, and of the test where there is one; empty while it is too early to judge."""
    test = None if test_accuracy is None else Accuracy(test_accuracy, dataset.test_size)
    return diagnose(
        live.metrics,
        dataset.classes,
        settings,
        finished=live.ended and live.done == 1.0,
        evidence=Evidence(images_of(settings, dataset).validation, test),
    )
