"""The answers of a network to many images, from one pass. All figures about its answers are computed from these."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from scv.data.resident import Resident
from scv.ml.hooks import OnProgress, batches
from scv.ml.scores import score_layers
from scv.ml.trained import Trained
from scv.report.sprites import Example

_HUGE = 1e30
"""In the place of infinity; an answer that is no number is the least likely."""


@dataclass(frozen=True)
class Outcomes:
    """Answers to N images among K classes. `indices` are the images' places in their part of the dataset."""

    indices: NDArray[np.intp]  # (N,)
    labels: NDArray[np.int64]  # (N,)
    logits: NDArray[np.float32]  # (N, K), finite
    not_finite: int

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """(N, K), each row sums to 1."""
        return np.asarray(np.exp(self._log_probabilities))

    @cached_property
    def predictions(self) -> NDArray[np.int64]:
        """The likeliest class, of equals the first: (N,)."""
        return np.asarray(self.logits.argmax(1))

    @cached_property
    def confidences(self) -> NDArray[np.float32]:
        """The probability of the likeliest class: (N,)."""
        return np.asarray(self.probabilities.max(1))

    @cached_property
    def label_probabilities(self) -> NDArray[np.float32]:
        """The probability of the class that the label names: (N,)."""
        return np.exp(-self.losses)

    @cached_property
    def losses(self) -> NDArray[np.float32]:
        """The cross-entropy of each image in nats: (N,)."""
        return -np.take_along_axis(self._log_probabilities, self.labels[:, None], 1)[:, 0]

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """How many classes were found likelier than the label's; of equals the first is the likelier: (N,)."""
        own = np.take_along_axis(self.logits, self.labels[:, None], 1)
        before = np.arange(self.logits.shape[1]) < self.labels[:, None]
        return np.asarray(((self.logits > own) | ((self.logits == own) & before)).sum(1))

    @cached_property
    def wrong(self) -> NDArray[np.bool_]:
        """Where the answer is not the label: (N,)."""
        return np.asarray(self.predictions != self.labels)

    @cached_property
    def _log_probabilities(self) -> NDArray[np.float32]:
        return np.asarray(torch.from_numpy(self.logits).log_softmax(1).numpy())

    def example(self, position: int) -> Example:
        """One image with its answer."""
        return Example(
            index=int(self.indices[position]),
            label=int(self.labels[position]),
            predicted=int(self.predictions[position]),
            confidence=float(self.confidences[position]),
            label_probability=float(self.label_probabilities[position]),
            loss=float(self.losses[position]),
        )


def answers_to(
    trained: Trained,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    on_progress: OnProgress,
    indices: NDArray[np.intp] | None = None,
) -> Outcomes:
    """Show the network the images, or those at `indices`. Memory holds a batch of images and all logits.

    The logits are the scores before any Softmax, so that probabilities are those that the network gives.
    """
    layers = score_layers(trained)
    chosen = np.arange(len(images)) if indices is None else indices
    logits = np.empty((len(chosen), trained.info.classes), np.float32)
    done = 0
    with torch.inference_mode():
        for part, pixels in batches(trained, images, chosen):
            logits[done : done + len(part)] = layers(trained.normalize(pixels)).numpy()
            done += len(part)
            on_progress(done / len(chosen))
    not_finite = int((~np.isfinite(logits)).any(1).sum())
    np.nan_to_num(logits, copy=False, nan=-_HUGE, posinf=_HUGE, neginf=-_HUGE)
    return Outcomes(chosen, np.asarray(labels[chosen]), logits, not_finite)


def gives_numbers(trained: Trained, resident: Resident) -> bool:
    """Whether any probe image gets an answer without NaN and infinity: after a training that diverged none does."""
    probes = resident.probes
    found = answers_to(trained, resident.test_images, resident.test_labels, lambda done: None, probes)
    return found.not_finite < len(probes)
