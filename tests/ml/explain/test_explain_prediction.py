"""What a page shows of an answer to one image."""

import numpy as np
import pytest
import torch

from scv.data.resident import Resident
from scv.ml.explain import explain_prediction
from scv.ml.explain.explain_prediction import explain
from scv.ml.trained import Trained
from tests.ml.conftest import document
from tests.ml.explaining import learned, unlearned


def silent() -> Trained:
    """A network whose last feature maps are all zero, so that Grad-CAM finds nothing; its first ones are not."""
    network = document(("Conv2d", {"out_channels": 4}), "ReLU", "Flatten", ("Linear", {"out_features": 10}))
    trained = unlearned(network, (1, 28, 28), 10)
    with torch.no_grad():
        trained.network[3].weight.abs_().neg_()
    return trained


def test_grad_cam_is_shown_where_it_finds_something(mnist: Resident) -> None:
    shown = explain(learned("pooled", mnist), mnist.test_images[0].copy(), None)
    assert shown.overlay is not None
    assert "Grad-CAM)" in str(shown.about)


def test_a_network_without_feature_maps_is_asked_by_covering(mnist: Resident) -> None:
    trained, image = learned("perceptron", mnist), mnist.test_images[0].copy()
    shown = explain(trained, image, None)
    assert shown.overlay is not None
    assert "no feature maps for Grad-CAM" in str(shown.about)
    colours = shown.overlay.reshape(3, -1).astype(int)
    ink = np.repeat(np.repeat(image[0] > 128, shown.overlay.shape[1] // 28, 0), shown.overlay.shape[2] // 28, 1)
    warm = (colours[0] - colours[2]).reshape(ink.shape)
    assert warm[ink].mean() > warm[~ink].mean(), "what speaks for the answer is the ink"


def test_where_grad_cam_finds_nothing_the_network_is_asked_by_covering(mnist: Resident) -> None:
    shown = explain(silent(), mnist.test_images[0].copy(), None)
    assert shown.overlay is not None
    assert "Grad-CAM found nothing" in str(shown.about)


def test_a_large_network_says_why_there_is_no_map(mnist: Resident, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain_prediction, "_BUDGET", 1e6)
    for trained, said in ((learned("perceptron", mnist), "there is no Grad-CAM"), (silent(), "nothing to show")):
        shown = explain(trained, mnist.test_images[0].copy(), None)
        assert shown.overlay is None
        assert said in str(shown.about)
