"""A trained network's answer to one image."""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from scv.message import Message, say
from scv.ml.errors import NoNumbersError
from scv.ml.explain.out_of_distribution import Detector, features_and_logits
from scv.ml.train.preflight import no_numbers
from scv.ml.trained import Trained
from scv.report.prediction import Guess, Prediction

GUESSES = 5

_BECAUSE = {
    "energy": say("Reason: no class stands out among the scores."),
    "distance": say("Reason: the network's features for it are unlike those of any training image."),
}


def predict(trained: Trained, pixels: NDArray[np.uint8], detector: Detector | None = None) -> Prediction:
    """Ask the network about one image, uint8 (C, H, W); with `detector` also whether it learned from such ones.

    Raises `ValueError` for pixels of another shape or type, and `NoNumbersError`.
    """
    if pixels.dtype != np.uint8 or pixels.shape != trained.info.input_shape:
        raise ValueError(f"pixels are {pixels.dtype} {pixels.shape}, the network takes {trained.info.input_shape}")
    features, logits = features_and_logits(trained, torch.from_numpy(np.array(pixels))[None])
    if not logits.isfinite().all():
        raise NoNumbersError(no_numbers(trained.info.settings))
    log_shares = logits[0].double().log_softmax(0)
    shares = log_shares.exp().tolist()
    names = trained.class_names
    best = sorted(range(len(shares)), key=lambda label: -shares[label])[:GUESSES]
    judged = None if detector is None else detector.judge(features, logits)[0]
    notes: list[Message] = []
    if judged is not None and judged.unfamiliar:
        notes.append(
            say(
                "This image does not look like the training images, so the prediction means little. "
                "Share of the test images that look as unusual: {percent}%.",
                percent=f"{100 * judged.share_beyond:g}",
            )
        )
        notes.append(_BECAUSE[judged.by])
    return Prediction(
        probabilities=tuple(shares),
        guesses=tuple(Guess(label=label, name=names[label], probability=shares[label]) for label in best),
        entropy=max(0.0, -sum(share * log for share, log in zip(shares, log_shares.tolist(), strict=True) if share))
        / math.log(2),
        most_entropy=math.log2(len(shares)),
        familiarity=judged,
        notes=tuple(notes),
    )
