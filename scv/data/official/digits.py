"""The 1,797 handwritten digits, 8×8 pixels each, that come with scikit-learn: no download, always there."""

import numpy as np

from scv.data.resident import Arrays
from scv.data.splits import every_nth_of_each_class

_FULL = 16  # scikit-learn's files count the ink of 16 cells per pixel
_TEST = 5


def read() -> Arrays:
    """Read the digits as uint8. The set has no test part of its own: every fifth of each class becomes it."""
    from sklearn.datasets import load_digits  # a second of import, and only here

    digits = load_digits()
    images = np.round(digits.images * 255 / _FULL).astype(np.uint8)[:, np.newaxis]  # (N, 1, 8, 8)
    labels = digits.target.astype(np.int64)  # (N,)
    test = every_nth_of_each_class(labels, _TEST)
    return Arrays(images[~test], labels[~test], images[test], labels[test])
