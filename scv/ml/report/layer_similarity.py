"""How alike the layers of one network are, each with each."""

from pathlib import Path

import numpy as np

from scv.data.resident import Resident
from scv.message import say
from scv.ml.hooks import Layer, OnProgress
from scv.ml.similarity import FEWEST, layer_vectors
from scv.ml.trained import Trained
from scv.report.layer_similarity import ComparedLayer, Similarity


def make_similarity(trained: Trained, resident: Resident, folder: Path, on_progress: OnProgress) -> Similarity:
    """The section. It has no images: the figures are few enough to be drawn from themselves."""
    images = resident.probe_images
    if len(images) < FEWEST:
        message = say(
            "Layers are compared by {least} test images or more; there are {images}.",
            least=FEWEST,
            images=len(images),
        )
        return Similarity(len(images), (), (), message)
    pairs = layer_vectors(trained, images, on_progress)
    varied = [number for number, (_, vector) in enumerate(pairs) if vector is not None]
    rows: list[tuple[float | None, ...] | None] = [None] * len(pairs)
    if varied:
        vectors = np.stack([vector for _, vector in pairs if vector is not None])
        products = np.full((len(varied), len(pairs)), np.nan)
        products[:, varied] = vectors @ vectors.T
        for number, product in zip(varied, products.round(4).tolist(), strict=True):
            rows[number] = tuple(None if np.isnan(value) else value for value in product)
    return Similarity(len(images), tuple(_compared(layer) for layer, _ in pairs), tuple(rows))


def _compared(layer: Layer) -> ComparedLayer:
    return ComparedLayer(layer.checked.id, layer.checked.type, layer.path, layer.depth, layer.output)
