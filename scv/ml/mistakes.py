"""What a network gets wrong: its surest mistakes, and pictures whose label may be wrong."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scv.blocks.report.mistakes import Mistakes
from scv.blocks.report.sprites import Gallery
from scv.data.resident import Resident
from scv.data.splits import split
from scv.ml.inside import Tell, multiply_adds
from scv.ml.outcomes import Outcomes, answers_to
from scv.ml.sprites import write_thumbnails
from scv.ml.trained import Trained

_SHOWN = 24
"""Pictures of each kind."""

_WORK = 40_000_000_000
"""Multiply-adds that looking through training images may take: some seconds. LeNet sees all of MNIST with it."""

_FEWEST = 500
"""Training images that are looked at whatever it takes."""


def make_mistakes(
    trained: Trained, resident: Resident, folder: Path, tell: Tell, outcomes: Outcomes | None = None
) -> Mistakes:
    """The section; `outcomes` are those of the test set, if they are known already."""
    tested = outcomes or answers_to(trained, resident.test_images, resident.test_labels, lambda done: tell(0.4 * done))
    settings = trained.info.settings
    parts = split(
        resident.train_labels,
        train_percent=settings.train_percent,
        validation_percent=settings.validation_percent,
    )
    chosen = _training_images(
        parts.validation, len(resident.train_labels), max(_FEWEST, _WORK // multiply_adds(trained))
    )
    learned = answers_to(
        trained, resident.train_images, resident.train_labels, lambda done: tell(0.4 + 0.55 * done), chosen
    )
    wrong = np.flatnonzero(tested.wrong)
    confident = wrong[np.argsort(-tested.confidences[wrong], kind="stable")]
    return Mistakes(
        confident=_gallery(tested, confident, resident.test_images, folder, "mistakes-confident"),
        test_suspects=_gallery(tested, suspects(tested), resident.test_images, folder, "mistakes-test"),
        training_suspects=_gallery(learned, suspects(learned), resident.train_images, folder, "mistakes-training"),
        training_looked=len(chosen),
        training_images=len(resident.train_labels),
        held_out=len(chosen) - int(np.isin(chosen, parts.train).sum()),
    )


def suspects(outcomes: Outcomes) -> NDArray[np.intp]:
    """Positions of images whose label may be wrong, the largest loss first.

    The confident joint of Northcutt et al. 2021: the answer is another class, which is at least as likely for this
    image as it is on average for the images that bear its label.
    """
    classes = outcomes.logits.shape[1]
    sums = np.bincount(outcomes.labels, outcomes.label_probabilities, minlength=classes)
    counts = np.bincount(outcomes.labels, minlength=classes)
    usual = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)  # (classes,)
    doubted = np.flatnonzero(outcomes.wrong & (outcomes.confidences >= usual[outcomes.predictions]))
    return doubted[np.argsort(-outcomes.losses[doubted], kind="stable")]


def _training_images(held_out: NDArray[np.intp], images: int, most: int) -> NDArray[np.intp]:
    """Up to `most` indices, those first that the network did not learn from, evenly thinned out where need be."""
    if images <= most:
        return np.arange(images)
    others = np.setdiff1d(np.arange(images), held_out)
    first = _thinned(held_out, most)
    return np.sort(np.concatenate([first, _thinned(others, most - len(first))]))


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
        pictures=write_thumbnails(folder, name, images, outcomes.indices[shown]),
    )
