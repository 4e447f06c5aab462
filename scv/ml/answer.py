"""What a page shows of a network's answer to one picture: the answer, and where in the picture it comes from."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from scv.blocks.message import Message, foreign, say
from scv.blocks.report.prediction import Prediction
from scv.ml.attribution import cam_layer, grad_cam
from scv.ml.familiar import Familiar
from scv.ml.paint import heat, unit
from scv.ml.predict import predict
from scv.ml.trained import Trained

_NO_MAPS = say("No convolution of this network gives maps of more than one point, so there is no Grad-CAM.")
_NOTHING = say("Nothing in the last feature maps speaks for the answer, so Grad-CAM has nothing to show.")


class Explained(NamedTuple):
    """`overlay` is Grad-CAM's map over the picture, uint8 (3, h, w); `about` says how to read it, or why it lacks."""

    prediction: Prediction
    overlay: NDArray[np.uint8] | None
    about: Message


def explain(trained: Trained, pixels: NDArray[np.uint8], familiar: Familiar | None) -> Explained:
    """Ask the network about one picture, uint8 (C, H, W), and what its first guess comes from.

    Raises `ValueError` and `NoNumbersError` as `predict` does.
    """
    prediction = predict(trained, pixels, familiar)
    layer = cam_layer(trained)
    if layer is None:
        return Explained(prediction, None, _NO_MAPS)
    best = prediction.guesses[0]
    maps = grad_cam(trained, torch.from_numpy(np.array(pixels))[None], torch.tensor([best.label]))
    (values,) = unit(maps.double().numpy())
    if not values.any():
        return Explained(prediction, None, _NOTHING)
    name = foreign(best.name)
    about = (
        say(
            "The brighter, the more speaks for {name}. A rough hint: a Flatten follows these maps, and Grad-CAM takes "
            "means over places that this network tells apart.",
            name=name,
        )
        if layer.flattened
        else say("The brighter, the more speaks for {name} (Grad-CAM).", name=name)
    )
    return Explained(prediction, heat(values, pixels, signed=False), about)
