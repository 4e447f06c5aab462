"""Whether an image is like those that a network learned from.

Two scores, as each is blind to what the other sees. The distance is 1 minus the cosine between the features of the
image and those of the nearest training image (Sun et al. 2022). The features are the outputs of several activations,
early and late ones: the last ones alone keep only what tells the classes apart. The energy is −log Σ exp(logits) (Liu
et al. 2020). Each score is scaled to 0 at the median of held-out test images and 1 at their 99.5th percentile. The
distance plus half the energy counts, and its 99th percentile over the test images is the limit. bench/ood.py measures
how well that works.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name all of torch's own texts use

from scv.blocks.catalogue.all import CATALOGUE
from scv.data.resident import Resident, ResidentError, open_resident
from scv.ml.hooks import batches
from scv.ml.predictions import gives_numbers
from scv.ml.scores import score_layers
from scv.ml.trained import Trained, identity_of
from scv.ml.weights import read_tensors, write_tensors
from scv.report.prediction import Familiarity

SHARE_BEYOND = 0.01
"""Of the test images: so many are called unfamiliar, though they are not."""

_END = 0.995  # the quantile of each score that is brought to 1
_MOST_ROWS = 4000
_MOST_OF_A_CLASS = 400
_HELD_OUT = 2000
_MOST_LAYERS = 4
_MOST_FEATURES = 256
"""Of one layer."""

_PLACES = 4
"""Feature maps are averaged to at most 4 × 4 places."""

_ENERGY_WEIGHT = 0.5


class _Facts(msgspec.Struct, frozen=True):
    """To which network this belongs, and the scores of held-out images: (median, 99.5th percentile).

    `layers` are the indices of the layers whose outputs are the features.
    """

    network: str
    layers: tuple[int, ...]
    energy: tuple[float, float]
    distance: tuple[float, float]
    limit: float


@dataclass(frozen=True)
class Detector:
    """What is kept of the training images: their features, `directions` (N, D), each of length 1."""

    facts: _Facts
    directions: Tensor

    def judge(self, features: Tensor, logits: Tensor) -> list[Familiarity | None]:
        """Of features (B, D) and logits (B, classes), as `features_and_logits` gives them.

        None where one is no number.
        """
        scores = zip(
            _are_numbers(features, logits).tolist(),
            _energies(logits).tolist(),
            _distances(features, self.directions).tolist(),
            strict=True,
        )
        return [self._judged(energy, distance) if sound else None for sound, energy, distance in scores]

    def _judged(self, energy: float, distance: float) -> Familiarity:
        strangeness = _strangeness(self.facts, energy, distance) / self.facts.limit
        return Familiarity(
            strangeness=strangeness,
            unfamiliar=strangeness > 1,
            share_beyond=SHARE_BEYOND,
            energy=energy,
            distance=distance,
            by=_by(self.facts, energy, distance),
        )

    def write(self, path: Path) -> None:
        """Keep it in place of any earlier one."""
        write_tensors(path, {"directions": self.directions.half()}, msgspec.json.encode(self.facts).decode())


def learn_familiar(trained: Trained, resident: Resident) -> Detector | None:
    """Look at up to 4,000 training images, the same number of each class, and at 2,000 test images.

    Those that the network gives no numbers for are left out; None where that is all of them.
    """
    if not gives_numbers(trained, resident):
        return None
    train = _some_of_each_class(resident.train_labels)
    step = max(1, len(resident.test_labels) // _HELD_OUT)
    found = [features for features, _ in _passes(trained, resident.train_images, train)]
    if not found:
        return None
    directions = torch.cat(found).half().float()  # as it is read back
    energies, distances = [], []
    for features, logits in _passes(trained, resident.test_images, np.arange(0, len(resident.test_labels), step)):
        energies.append(_energies(logits))
        distances.append(_distances(features, directions))
    if not energies:
        return None
    layers = tuple(_feature_layers(trained))
    facts = _Facts(identity_of(trained), layers, _scale(torch.cat(energies)), _scale(torch.cat(distances)), 1.0)
    pairs = zip(torch.cat(energies).tolist(), torch.cat(distances).tolist(), strict=True)
    scores = np.array([_strangeness(facts, energy, distance) for energy, distance in pairs])
    limit = max(1e-6, float(np.quantile(scores, 1 - SHARE_BEYOND)))
    return Detector(msgspec.structs.replace(facts, limit=limit), directions)


def read_familiar(path: Path, trained: Trained) -> Detector | None:
    """What was written for this very network; None where there is none, or of another."""
    try:
        tensors, text = read_tensors(path)
        facts = msgspec.json.decode(text, type=_Facts)
        directions = tensors["directions"].float()
    except (OSError, SafetensorError, msgspec.DecodeError, KeyError):
        return None
    fits = (facts.network, facts.layers) == (identity_of(trained), tuple(_feature_layers(trained)))
    return Detector(facts, directions) if fits else None


def familiar_path(weights: Path) -> Path:
    """Where it is kept: beside the weights."""
    return weights.with_name(f"{weights.stem}.familiar.safetensors")


def detector_of(weights: Path, trained: Trained, data_dir: Path) -> Detector | None:
    """What was kept for the weights; else learned now from the dataset, and kept. None where that cannot be."""
    path = familiar_path(weights)
    kept = read_familiar(path, trained)
    if kept is not None or Path(trained.info.dataset).name != trained.info.dataset:
        return kept
    try:
        resident = open_resident(data_dir, trained.info.dataset)
    except ResidentError:
        return None
    if resident.hash != trained.info.dataset_hash:
        return None
    learned = learn_familiar(trained, resident)
    if learned is not None:
        with suppress(OSError):  # beside weights that somebody may only read
            learned.write(path)
    return learned


def features_and_logits(trained: Trained, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """The features, (B, D) of length 1, and the scores before any Softmax, (B, classes), of uint8 (B, C, H, W).

    The features are the outputs of up to four activations, evenly spread, the last one among them; of a network without
    activations, what goes into its last layer that has weights. Each layer counts the same. More than 256 features of a
    layer are sketched into as many sums with random signs, which keeps the angles between them (Charikar et al. 2002).
    """
    layers, read = score_layers(trained), _feature_layers(trained)
    parts = []
    with torch.inference_mode():
        values = trained.normalize(pixels)
        for index, layer in enumerate(layers):
            values = layer(values)
            if index in read:
                parts.append(F.normalize(_sketched(_flat(values), index), dim=1))
        if not parts:
            flat = layers[: _last_with_weights(layers)](trained.normalize(pixels))
            parts = [F.normalize(_sketched(_flat(flat), 0), dim=1)]
    return torch.cat(parts, 1) / len(parts) ** 0.5, values


def _feature_layers(trained: Trained) -> list[int]:
    """The indices of the layers whose outputs are the features: activations."""
    blocks = trained.info.document.blocks[: len(score_layers(trained))]
    found = [index for index, block in enumerate(blocks) if CATALOGUE[block.type].category == "activation"]
    if len(found) <= _MOST_LAYERS:
        return found
    return [found[round(step * (len(found) - 1) / (_MOST_LAYERS - 1))] for step in range(_MOST_LAYERS)]


def _last_with_weights(layers: nn.Sequential) -> int:
    with_weights = (index for index, layer in enumerate(layers) if next(layer.parameters(), None) is not None)
    return max(with_weights, default=len(layers) - 1)


def _flat(values: Tensor) -> Tensor:
    """(B, D); feature maps with fewer places."""
    if values.ndim == 4:
        places = (min(_PLACES, values.shape[2]), min(_PLACES, values.shape[3]))
        values = F.adaptive_avg_pool2d(values, places)
    return values.flatten(1)


def _sketched(features: Tensor, seed: int) -> Tensor:
    count = features.shape[1]
    if count <= _MOST_FEATURES:
        return features
    random = np.random.default_rng((seed, count))
    places = torch.from_numpy(random.integers(0, _MOST_FEATURES, count))
    signs = torch.from_numpy(random.choice(np.array([-1.0, 1.0], dtype=np.float32), count))
    return features.new_zeros(len(features), _MOST_FEATURES).index_add_(1, places, features * signs)


def _passes(trained: Trained, images: NDArray[np.uint8], indices: NDArray[np.intp]) -> Iterator[tuple[Tensor, Tensor]]:
    for _, pixels in batches(trained, images, indices):
        features, logits = features_and_logits(trained, pixels)
        sound = _are_numbers(features, logits)
        if sound.any():
            yield features[sound], logits[sound]


def _are_numbers(features: Tensor, logits: Tensor) -> Tensor:
    """Of which images, (B,)."""
    return features.isfinite().all(1) & logits.isfinite().all(1)


def _some_of_each_class(labels: NDArray[np.int64]) -> NDArray[np.intp]:
    classes = np.unique(labels)
    each = max(1, min(_MOST_OF_A_CLASS, _MOST_ROWS // len(classes)))
    return np.sort(np.concatenate([np.flatnonzero(labels == label)[:each] for label in classes]))


def _energies(logits: Tensor) -> Tensor:
    return -logits.logsumexp(1)


def _distances(features: Tensor, directions: Tensor) -> Tensor:
    """From each to the nearest, 0 to 2: 1 minus the cosine between both."""
    return 1 - (features @ directions.T).max(1).values


def _scale(scores: Tensor) -> tuple[float, float]:
    values = scores.double().numpy()
    return float(np.median(values)), float(np.quantile(values, _END))


def _scores(facts: _Facts, energy: float, distance: float) -> tuple[float, float]:
    """Both scores, each 0 at the median and 1 at the end of what test images have."""
    return _scaled(energy, facts.energy), _scaled(distance, facts.distance)


def _scaled(score: float, scale: tuple[float, float]) -> float:
    median, end = scale
    return (score - median) / max(1e-6, end - median)


def _by(facts: _Facts, energy: float, distance: float) -> Literal["energy", "distance"]:
    """Which of both is the more unusual."""
    ours, theirs = _scores(facts, energy, distance)
    return "energy" if ours >= theirs else "distance"


def _strangeness(facts: _Facts, energy: float, distance: float) -> float:
    ours, theirs = _scores(facts, energy, distance)
    return _ENERGY_WEIGHT * ours + theirs
