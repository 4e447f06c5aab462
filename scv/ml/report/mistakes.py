"""What a network gets wrong: its surest mistakes, and images whose label may be wrong."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scv.data.resident import Resident
from scv.ml.hooks import OnProgress
from scv.ml.predictions import Outcomes, answers_to
from scv.ml.sprites import write_thumbnails
from scv.ml.train.folds import answer_out_of_fold, plan_folds
from scv.ml.trained import Trained
from scv.report.mistakes import Labels, Mistakes
from scv.report.sprites import Gallery

_SHOWN = 24
"""Images of each kind."""

_WORK = 40_000_000_000
"""Multiply-adds that looking through training images may take: some seconds. LeNet sees all of MNIST with it."""

_FEWEST = 500
"""Training images that are looked at whatever it takes."""


def make_mistakes(
    trained: Trained, resident: Resident, folder: Path, on_progress: OnProgress, outcomes: Outcomes | None = None
) -> Mistakes:
    """The section `mistakes`; `outcomes` are those of the test set, if they are known already."""
    found = outcomes or answers_to(trained, resident.test_images, resident.test_labels, on_progress)
    wrong = np.flatnonzero(found.wrong)
    confident = wrong[np.argsort(-found.confidences[wrong], kind="stable")]
    return Mistakes(
        confident=_gallery(found, confident, resident.test_images, folder, "mistakes-confident"),
        suspects=_gallery(found, suspects(found), resident.test_images, folder, "mistakes-suspects"),
    )


def make_labels(trained: Trained, resident: Resident, folder: Path, on_progress: OnProgress) -> Labels:
    """The section `labels`: by cross-validation where that can be afforded, else by the network itself."""
    images = len(resident.train_labels)
    plan = plan_folds(trained, images)
    if plan is None:
        return _labels_by_itself(trained, resident, folder, on_progress)
    found = answer_out_of_fold(trained, resident, plan, on_progress)
    return Labels(
        suspects=_gallery(found, suspects(found), resident.train_images, folder, "labels-suspects"),
        looked=images,
        images=images,
        held_out=images,
        folds=plan.folds,
        accuracy=1 - float(found.wrong.mean()),
    )


def _labels_by_itself(trained: Trained, resident: Resident, folder: Path, on_progress: OnProgress) -> Labels:
    settings = trained.info.settings
    parts = resident.split(train_percent=settings.train_percent, validation_percent=settings.validation_percent)
    images = len(resident.train_labels)
    chosen = _chosen(parts.train, images, max(_FEWEST, _WORK // trained.cost.answer))
    found = answers_to(trained, resident.train_images, resident.train_labels, on_progress, chosen)
    return Labels(
        suspects=_gallery(found, suspects(found), resident.train_images, folder, "labels-suspects"),
        looked=len(chosen),
        images=images,
        held_out=len(np.setdiff1d(chosen, parts.train)),
    )


def ranked(outcomes: Outcomes) -> NDArray[np.intp]:
    """All positions, those first whose label is least likely beside the class that the network would rather name."""
    others = outcomes.probabilities.copy()
    np.put_along_axis(others, outcomes.labels[:, None], 0, axis=1)
    return np.argsort(outcomes.label_probabilities - others.max(1), kind="stable")


def suspects(outcomes: Outcomes) -> NDArray[np.intp]:
    """Positions of images whose label may be wrong, the least likely label first, as `report.mistakes` says."""
    classes = outcomes.logits.shape[1]
    sums = np.bincount(outcomes.labels, outcomes.label_probabilities, minlength=classes)
    counts = np.bincount(outcomes.labels, minlength=classes)
    usual = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)  # (classes,)
    doubted = np.flatnonzero(outcomes.wrong & (outcomes.confidences >= usual[outcomes.predictions]))
    order = ranked(outcomes)
    return order[np.isin(order, doubted)]


def _chosen(learned: NDArray[np.intp], images: int, most: int) -> NDArray[np.intp]:
    """Up to `most` indices, those first that were not learned from, evenly thinned out where need be."""
    first = _thinned(np.setdiff1d(np.arange(images), learned), most)
    return np.sort(np.concatenate([first, _thinned(learned, most - len(first))]))


def _thinned(indices: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    if len(indices) <= most:
        return indices
    return indices[np.arange(most) * len(indices) // max(1, most)]


def _gallery(
    outcomes: Outcomes, positions: NDArray[np.intp], images: NDArray[np.uint8], folder: Path, name: str
) -> Gallery:
    shown = positions[:_SHOWN]
    return Gallery(
        found=len(positions),
        examples=tuple(outcomes.example(int(position)) for position in shown),
        sprite=write_thumbnails(folder, name, images, outcomes.indices[shown]),
    )
