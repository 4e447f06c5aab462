"""The figures of a training as `static/curve.js` draws them, and what they say in words."""

from collections.abc import Sequence
from typing import Any

import msgspec

from scv.training.diagnosis import Diagnosis, diagnose
from scv.training.settings import TrainingSettings
from scv.web.runs.live import LiveRun

SERIES = (
    "train_accuracy", "validation_accuracy", "train_loss", "validation_loss", "learning_rate", "images_per_second",
)  # fmt: skip
"""Figures of an epoch that are drawn."""


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


def diagnoses(live: LiveRun, settings: TrainingSettings, classes: int) -> tuple[Diagnosis, ...]:
    """What the curves so far say; nothing before there is something to see."""
    return diagnose(live.metrics, classes, settings, finished=live.ended and live.done == 1.0)
