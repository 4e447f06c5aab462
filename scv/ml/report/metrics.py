"""How good a network is on the test set: confusion, figures of each class, top-k, calibration."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scv.data.resident import Resident
from scv.ml.hooks import OnProgress
from scv.ml.predictions import Outcomes, answers_to
from scv.ml.sprites import LARGEST, PIXELS, write_thumbnails
from scv.ml.trained import Trained
from scv.report.metrics import (
    Average,
    Bin,
    Calibration,
    ClassFigures,
    Confusion,
    ConfusionCell,
    Metrics,
    TopK,
)
from scv.training.accuracy import interval

BINS = 15
"""As Guo et al. 2017 take."""

TOP = (1, 2, 3, 5)

_SHOWN = 24
"""Images of a kind of mistake, where there is room for so many of each, and images that are named."""

_SHOWN_RIGHT = 12
"""Of what is right nobody needs as many."""


def make_metrics(
    trained: Trained, resident: Resident, folder: Path, on_progress: OnProgress, outcomes: Outcomes | None = None
) -> Metrics:
    """The section; `outcomes` are those of the test set, if they are known already."""
    found = outcomes or answers_to(
        trained, resident.test_images, resident.test_labels, lambda done: on_progress(0.9 * done)
    )
    images, classes = found.logits.shape
    counts = confusion_counts(found.labels, found.predictions, classes)
    right = int(counts.trace())
    low, high = interval(right / images, images)
    figures = class_figures(counts, trained.class_names)
    confusion = _confusion(found, counts, resident.test_images, folder)
    on_progress(1.0)
    return Metrics(
        images=images,
        right=right,
        accuracy=right / images,
        low=low,
        high=high,
        most_frequent=int(counts.sum(1).max()) / images,
        loss=float(found.losses.mean(dtype=np.float64)),
        not_finite=found.not_finite,
        classes=figures,
        macro=_macro(figures),
        micro=Average(*(right / images,) * 3),
        top=top_k(found.ranks, classes),
        calibration=calibration(found.confidences, ~found.wrong),
        confusion=confusion,
    )


def confusion_counts(labels: NDArray[np.int64], predictions: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """How many images of each class (rows) got each answer (columns): (classes, classes)."""
    return np.bincount(labels * classes + predictions, minlength=classes**2).reshape(classes, classes)


def class_figures(counts: NDArray[np.int64], names: Sequence[str]) -> tuple[ClassFigures, ...]:
    """Precision, recall and F1 of each class, of a confusion matrix."""

    def ratio(part: int, whole: int) -> float | None:
        return part / whole if whole else None

    rows = zip(names, counts.sum(1).tolist(), counts.sum(0).tolist(), counts.diagonal().tolist(), strict=True)
    return tuple(
        ClassFigures(
            name=name,
            support=support,
            predicted=predicted,
            right=right,
            precision=ratio(right, predicted),
            recall=ratio(right, support),
            f1=ratio(2 * right, support + predicted),
        )
        for name, support, predicted, right in rows
    )


def _macro(figures: Sequence[ClassFigures]) -> Average:
    seen = [row for row in figures if row.support or row.predicted]

    def mean(values: Sequence[float | None]) -> float:
        return sum(value or 0.0 for value in values) / len(seen)

    return Average(*(mean([getattr(row, name) for row in seen]) for name in ("precision", "recall", "f1")))


def top_k(ranks: NDArray[np.int64], classes: int) -> tuple[TopK, ...]:
    """Accuracy among the k likeliest, for each k that leaves a class out; 1 always."""
    return tuple(TopK(k, float((ranks < k).mean())) for k in TOP if k == 1 or k < classes)


def calibration(confidences: NDArray[np.float32], right: NDArray[np.bool_], bins: int = BINS) -> Calibration:
    """The reliability diagram over `bins` of equal width, and the expected calibration error."""
    sure = confidences.astype(np.float64)
    edges = np.arange(bins + 1) / bins
    place = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, bins - 1)  # low < sure <= high
    counts = np.bincount(place, minlength=bins)
    sums = np.bincount(place, sure, minlength=bins)
    hits = np.bincount(place, right, minlength=bins)
    rows = tuple(
        Bin(
            low=float(edges[number]),
            high=float(edges[number + 1]),
            count=int(counts[number]),
            confidence=float(sums[number] / counts[number]) if counts[number] else None,
            accuracy=float(hits[number] / counts[number]) if counts[number] else None,
        )
        for number in range(bins)
    )
    return Calibration(rows, float(np.abs(hits - sums).sum() / len(sure)), float(sure.mean()))


def _confusion(outcomes: Outcomes, counts: NDArray[np.int64], images: NDArray[np.uint8], folder: Path) -> Confusion:
    """The matrix and images from its cells, of the mistakes before those of what is right."""
    classes = len(counts)
    key = outcomes.labels * classes + outcomes.predictions
    order = np.lexsort((-outcomes.confidences, key))
    starts = np.searchsorted(key[order], np.arange(classes**2 + 1))
    label, predicted = np.nonzero(counts)
    rank = np.lexsort((predicted, label, -counts[label, predicted], label == predicted))
    room = PIXELS // min(LARGEST**2, images.shape[2] * images.shape[3])
    most = max(1, min(_SHOWN, room // len(rank)))
    cells: list[ConfusionCell] = []
    shown: list[int] = []
    for row, column in zip(label[rank].tolist(), predicted[rank].tolist(), strict=True):
        start = int(starts[row * classes + column])
        count = int(counts[row, column])
        held = outcomes.indices[order[start : start + min(count, _SHOWN)]].tolist()
        wanted = min(most, _SHOWN_RIGHT) if row == column else most
        tiles = held[: min(wanted, max(0, room - len(shown)))]
        cells.append(ConfusionCell(row, column, count, tuple(held), len(shown), len(tiles)))
        shown += tiles
    sprite = write_thumbnails(folder, "metrics-cells", images, np.array(shown, np.intp))
    return Confusion(tuple(map(tuple, counts.tolist())), tuple(cells), sprite)
