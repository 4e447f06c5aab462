"""Answers to training images by networks that did not learn from them: cross-validation, within a limit of work.

The images are dealt into folds; for each fold a network of the same kind learns from the others, by the settings of
the run, and answers to it. So no wrong label can have been memorised.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name all of torch's own texts use

from scv.data.resident import Resident
from scv.ml.build import build
from scv.ml.hooks import OnProgress
from scv.ml.predictions import Outcomes, answers_to
from scv.ml.train.recipe import learning_rate, make_augment, make_optimizer
from scv.ml.trained import Trained

_WORK = 300_000_000_000
"""Multiply-adds that all trainings together may take, which is less than a minute on two cores."""

_FOLDS = (5, 3, 2)
"""The more folds, the more each network learns from, and the more there is to do."""

_SMALL = 5000
"""Images; of more one pass of two folds is enough: of 60,000 it finds 98 of 100 wrong labels."""

_STEP = 3
"""A training step costs as much as so many answers: forward, and backward to the images' values and the weights."""


@dataclass(frozen=True)
class FoldPlan:
    """How many folds, and how many epochs each network learns for."""

    folds: int
    epochs: int


def plan_folds(trained: Trained, images: int) -> FoldPlan | None:
    """The folds and epochs that fit the limit of work. None where not even the least does.

    Small sets are trained for as many epochs as the run's best one, or fewer. Large sets are trained for a single
    epoch.
    """
    epoch = _STEP * trained.cost.answer * images
    wanted = max(1, trained.info.epoch) if images <= _SMALL else 1
    for folds in _FOLDS if images <= _SMALL else _FOLDS[-1:]:
        epochs = min(wanted, _WORK // (epoch * (folds - 1)))
        if epochs == wanted or (epochs and folds == _FOLDS[-1]):
            return FoldPlan(folds, epochs)
    return None


def answer_out_of_fold(trained: Trained, resident: Resident, plan: FoldPlan, on_progress: OnProgress) -> Outcomes:
    """The answers to all training images, each by the network that did not learn from it."""
    labels = np.asarray(resident.train_labels)
    fold_of = deal(labels, plan.folds)  # (N,)
    logits, not_finite = np.empty((len(labels), resident.classes), np.float32), 0
    with torch.random.fork_rng(devices=[]):
        for fold in range(plan.folds):
            held_out, others = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
            if not len(held_out):
                continue  # of a set with fewer images than folds
            learned = _learned(trained, resident, others, plan.epochs, _part(fold, plan, on_progress))
            found = answers_to(replace(trained, network=learned), resident.train_images, labels, _nobody, held_out)
            logits[held_out] = found.logits
            not_finite += found.not_finite
    return Outcomes(np.arange(len(labels)), labels, logits, not_finite)


def _nobody(done: float) -> None:
    """The answers take no time beside the training."""


def deal(labels: NDArray[np.int64], folds: int) -> NDArray[np.intp]:
    """The fold of each image. The images of each class are dealt out in turn."""
    fold_of = np.empty(len(labels), np.intp)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        fold_of[of_class] = (np.arange(len(of_class)) + label) % folds
    return fold_of


def _part(fold: int, plan: FoldPlan, on_progress: OnProgress) -> OnProgress:
    return lambda done: on_progress((fold + done) / plan.folds)


def _learned(
    trained: Trained, resident: Resident, indices: NDArray[np.intp], epochs: int, on_progress: OnProgress
) -> nn.Sequential:
    """A new network after some epochs with these images."""
    info, settings = trained.info, trained.info.settings
    torch.manual_seed(settings.seed)
    network = build(info.document, resident.shape, resident.classes).train()
    optimizer, augment = make_optimizer(settings, network.parameters()), make_augment(settings)
    pixels, labels = torch.from_numpy(resident.train_images[indices]), torch.from_numpy(resident.train_labels[indices])
    batch = min(settings.batch_size, max(2, len(indices) // 4))
    steps, done = epochs * -(-len(indices) // batch), 0
    for _ in range(epochs):
        order = torch.randperm(len(indices))
        chances = augment.chances(len(indices), torch.default_generator) if augment else None
        for chosen in order.split(batch):
            rate = learning_rate(settings, done, steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            done += 1
            if len(chosen) == 1:
                continue  # of which nothing can be normalized
            shown: Tensor = pixels[chosen]
            if augment is not None and chances is not None:
                shown = augment(shown, chances[:, chosen])
            optimizer.zero_grad(set_to_none=True)
            scores = network(trained.normalize(shown))
            F.cross_entropy(scores, labels[chosen], label_smoothing=settings.label_smoothing).backward()
            optimizer.step()
            on_progress(done / steps)
    return network.eval()
