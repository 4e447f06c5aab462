"""Which images serve for what: fixed stratified rules without chance, the same wherever they are applied."""

import numpy as np
from numpy.typing import NDArray


def every_nth_of_each_class(labels: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    """Mark, within each class and in order, every `n`-th image (the n-th, the 2n-th, ...).

    `labels` is (N,); so is the result. Each class gives ⌊its images / n⌋.
    """
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        chosen[np.flatnonzero(labels == label)[n - 1 :: n]] = True
    return chosen
