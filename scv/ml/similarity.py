"""Layers as vectors whose inner product is their similarity: debiased linear CKA (Kornblith et al. 2019).

The unbiased estimator is that of Song et al. 2012, Feature Selection via Dependence Maximization: with K the Gram
matrix of the images' activations, its diagonal set to 0, U-centring takes from each number the means of its row and
column and adds that of all, with n - 2 and (n - 1)(n - 2) in the places of n and n². CKA is the cosine of two such
matrices; as they are symmetric and 0 on the diagonal, it is that of their strict upper triangles.
"""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scv.blocks.shapes import size
from scv.ml.hooks import Layer, OnProgress, layers_of, watching
from scv.ml.trained import Trained

FEWEST = 4
"""Images that the unbiased estimator needs."""

_NUMBERS = 2**26
"""Most numbers of one layer that are held at a time: 256 MB."""

_FEATURES = 2**16  # at a time in double precision

_CONSTANT = 1e-10
"""Of the Gram matrix' own size: what is left of a constant layer by rounding."""

Vector = NDArray[np.float32]
"""(n(n - 1)/2,) for n images, of length 1."""


def layer_vectors(
    trained: Trained, images: NDArray[np.uint8], on_progress: OnProgress = lambda done: None
) -> tuple[tuple[Layer, Vector | None], ...]:
    """Every layer, nested ones too, with its vector; None where it gives the same for all images, (n, C, H, W).

    Layers that are too large for all images at once are computed for pairs of groups of images: the result is the same
    but for rounding. Raises `ValueError` for fewer images than `FEWEST`.
    """
    if len(images) < FEWEST:
        raise ValueError(f"{len(images)} images are too few to compare layers by")
    layers = layers_of(trained)
    largest = max(size(layer.output) for layer in layers)
    grams = gram_matrices(trained, layers, images, max(2, _NUMBERS // largest), on_progress)
    return tuple((layer, vector_of(gram)) for layer, gram in zip(layers, grams, strict=True))


def gram_matrices(
    trained: Trained, layers: Sequence[Layer], images: NDArray[np.uint8], most: int, on_progress: OnProgress
) -> list[NDArray[np.float64]]:
    """For each layer the inner products of all images' activations, (n, n), with `most` images at a time."""
    count = len(images)
    grams = [np.zeros((count, count)) for _ in layers]
    everyone = np.arange(count)
    groups = [everyone] if count <= most else np.array_split(everyone, -(-2 * count // most))
    together = [groups[0]] if len(groups) == 1 else [np.concatenate(pair) for pair in combinations(groups, 2)]

    def keep(members: NDArray[np.intp]) -> Callable[[int, Tensor], None]:
        def see(number: int, output: Tensor) -> None:
            grams[number][np.ix_(members, members)] = _inner_products(output)

        return see

    for done, members in enumerate(together, 1):
        with torch.inference_mode(), watching(layers, keep(members)):
            trained.logits(torch.from_numpy(np.array(images[members])))
        on_progress(done / len(together))
    return grams


def _inner_products(output: Tensor) -> NDArray[np.float64]:
    """(B, *output) to (B, B), in double precision: centring takes large numbers from each other."""
    flat = output.flatten(1)
    gram = torch.zeros(len(flat), len(flat), dtype=torch.float64)
    for part in flat.split(_FEATURES, dim=1):
        double = part.nan_to_num().double()
        gram += double @ double.T
    return np.asarray(gram.numpy())


def vector_of(gram: NDArray[np.float64]) -> Vector | None:
    """The strict upper triangle of the U-centred Gram matrix, (n, n), scaled to length 1; None for a constant layer."""
    count = len(gram)
    scale = float(np.abs(gram).max())
    if scale == 0:
        return None
    hollow = gram / scale  # whose squares neither overflow nor vanish
    np.fill_diagonal(hollow, 0)
    rows = hollow.sum(1) / (count - 2)
    centred = hollow - rows[:, None] - rows[None, :] + hollow.sum() / ((count - 1) * (count - 2))
    triangle = centred[np.triu_indices(count, 1)]
    length = float(np.sqrt(triangle @ triangle))
    if length <= _CONSTANT * count:
        return None
    return np.asarray(triangle / length, np.float32)
