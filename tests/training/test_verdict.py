"""Verdicts speak from the test where there is one, with the number of images behind each figure."""

from dataclasses import dataclass

import pytest

from scv.training.accuracy import Accuracy
from scv.training.diagnosis import Diagnosis, Evidence, diagnose
from scv.training.settings import TrainingSettings


@dataclass
class Figures:
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float


def verdict(evidence: Evidence, best: float = 1.0) -> Diagnosis:
    epochs = [Figures(0.05, 0.995, 0.06, best - 0.004)] * 4 + [Figures(0.05, 0.995, 0.06, best)]
    epochs += [Figures(0.05, 0.995, 0.06, best - 0.004)] * 5
    (found,) = diagnose(epochs, 3, TrainingSettings(epochs=10), finished=True, evidence=evidence)
    return found


def test_before_the_test_it_speaks_from_the_validation_of_the_best_epoch() -> None:
    found = verdict(Evidence(1000), best=0.99)
    assert str(found.message) == (
        "It learns: validation accuracy 99.0% (1,000 images, confidence interval 98.2% to 99.5%)."
    )
    assert str(found.advice) == "Nothing needs to change."


def test_few_validation_images_are_no_reason_to_change_nothing() -> None:
    assert str(verdict(Evidence(6)).advice) == "These are too few images to tell. The test will show more."


def test_after_the_test_it_speaks_from_the_test() -> None:
    found = verdict(Evidence(6, Accuracy(8 / 9, 18)))
    assert found.kind == "learning"
    assert str(found.message).startswith("It learns: test accuracy 88.9% (18 images, confidence interval 67.2% to ")
    assert str(found.advice) == "More test images would tell the accuracy more exactly."


@pytest.mark.parametrize(("test", "kind"), [(0.975, "learning"), (0.889, "overfitting")])
def test_a_test_that_is_worse_by_more_than_chance_is_not_called_good(test: float, kind: str) -> None:
    found = verdict(Evidence(140, Accuracy(test, 360)))
    assert found.kind == kind
    assert ("lower than validation accuracy" in str(found.message)) == (kind == "overfitting")
    assert bool(found.change) == (kind == "overfitting")
