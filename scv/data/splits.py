"""Decides which images are for training and which for validation. The rules are fixed, stratified and not random."""

from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Split(NamedTuple):
    """Indices of training images, ascending: `train` are learned from, `validation` choose the best weights."""

    train: NDArray[np.intp]
    validation: NDArray[np.intp]


def split(
    labels: NDArray[np.int64],
    *,
    train_percent: int = 100,
    validation_percent: int = 10,
    own: NDArray[np.int64] | None = None,
) -> Split:
    """Hold out so many percent of each class, evenly and in order, and train on so many percent of the rest.

    `labels` is (N,). Of a class of n images ⌊n · validation_percent / 100⌋ are held out, with 10 % every tenth; where
    that is none, and there are two, the last one is. Of the r that are left ⌈r · train_percent / 100⌉ are trained on,
    so that no class is lost. Whole numbers, so that the standalone script finds the same images. `own` are the
    indices of those that a dataset itself has for validation: then they validate, and no others.
    """
    validation = np.zeros(len(labels), dtype=np.bool_)
    if own is not None:
        validation[own] = True
    train = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        if own is None:
            number = np.arange(len(of_class))
            chosen = (number + 1) * validation_percent // 100 > number * validation_percent // 100
            if len(of_class) > 1 and not chosen.any():
                chosen[-1] = True
            validation[of_class[chosen]] = True
        rest = of_class[~validation[of_class]]
        number = np.arange(len(rest))
        train[rest[((number + 1) * train_percent + 99) // 100 > (number * train_percent + 99) // 100]] = True
    return Split(np.flatnonzero(train), np.flatnonzero(validation))


def every_nth_of_each_class(labels: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    """Mark, within each class and in order, every `n`-th image (the n-th, the 2n-th, ...).

    `labels` is (N,); so is the result. Each class gives ⌊its images / n⌋.
    """
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        chosen[np.flatnonzero(labels == label)[n - 1 :: n]] = True
    return chosen


PROBES = 100
"""How many images stand for a dataset where networks are compared by what they see in them."""

_SEED = 20260


def probes(labels: NDArray[np.int64], count: int = PROBES) -> NDArray[np.int64]:
    """Indices of `count` images, ascending, of which every class has as equal a share as it can give.

    `labels` is (N,), of the test images; where there are fewer, all are chosen. The choice follows from the labels
    alone: Python promises that a seeded generator's `random()` gives the same numbers in every version.
    """
    random = Random(_SEED)  # noqa: S311 - no secret
    lots = np.array([random.random() for _ in range(len(labels))])
    by_lot = np.argsort(lots, kind="stable")
    rank = np.empty(len(labels), dtype=np.int64)  # within its class, in the order of the lots
    for label in np.unique(labels):
        of_class = by_lot[labels[by_lot] == label]
        rank[of_class] = np.arange(len(of_class))
    return np.sort(np.lexsort((lots, rank))[:count]).astype(np.int64)
