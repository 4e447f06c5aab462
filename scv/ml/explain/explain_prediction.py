"""What a page shows of a network's answer to one image: the answer, and where in the image it comes from."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from scv.message import Message, foreign, say
from scv.ml.colormaps import heat, unit
from scv.ml.explain.attribution import CamLayer, cam_layer, grad_cam, occlusion, occlusion_places
from scv.ml.explain.out_of_distribution import Detector
from scv.ml.predict import predict
from scv.ml.trained import Trained
from scv.report.prediction import Prediction

_NO_MAPS = say("No convolution of this network gives maps of more than one point, so there is no Grad-CAM.")
_NOTHING = say("Nothing in the last feature maps supports the prediction, so Grad-CAM has nothing to show.")
_BUDGET = 1e9
"""Multiply-adds that occlusion may take where Grad-CAM shows nothing: some 50 ms on one core."""


class Explained(NamedTuple):
    """`overlay` is the map of what speaks for the first guess over the image, uint8 (3, h, w).

    It is Grad-CAM's; where that has nothing to show and the network is small, occlusion's. `about` says how to read it,
    or why there is none.
    """

    prediction: Prediction
    overlay: NDArray[np.uint8] | None
    about: Message


def explain(trained: Trained, pixels: NDArray[np.uint8], detector: Detector | None) -> Explained:
    """Ask the network about one image, uint8 (C, H, W), and what its first guess comes from.

    Raises `ValueError` and `NoNumbersError` as `predict` does.
    """
    prediction = predict(trained, pixels, detector)
    best = prediction.guesses[0]
    image, target, name = torch.from_numpy(np.array(pixels))[None], torch.tensor([best.label]), foreign(best.name)
    layer = cam_layer(trained)
    if layer is not None:
        (values,) = unit(grad_cam(trained, image, target).double().numpy())
        if values.any():
            return Explained(prediction, heat(values, pixels, signed=False), _how_to_read(layer, name))
    if trained.cost.affordable(_BUDGET, occlusion_places(pixels.shape), 0, 1):
        (values,) = unit(occlusion(trained, image, target).double().numpy())
        if values.any():
            return Explained(prediction, heat(values, pixels, signed=True), _how_to_read_covering(layer, name))
    return Explained(prediction, None, _NO_MAPS if layer is None else _NOTHING)


def _how_to_read(layer: CamLayer, name: str) -> Message:
    if not layer.flattened:
        return say("The brighter a place, the more it supports {name} (Grad-CAM).", name=name)
    return say(
        "The brighter a place, the more it supports {name}. Only a rough hint: a Flatten follows these "
        "maps, so this network tells places apart over which Grad-CAM averages.",
        name=name,
    )


def _how_to_read_covering(layer: CamLayer | None, name: str) -> Message:
    if layer is None:
        return say(
            "The more orange a place, the more the score for {name} falls when it is covered; where it is blue, the "
            "score rises (occlusion: this network has no feature maps for Grad-CAM).",
            name=name,
        )
    return say(
        "The more orange a place, the more the score for {name} falls when it is covered; where it is blue, the score "
        "rises (occlusion: Grad-CAM found nothing in the last feature maps).",
        name=name,
    )
