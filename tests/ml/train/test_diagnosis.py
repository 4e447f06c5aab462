"""The diagnosis of real trainings on Digits, and whether its advice helps."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from scv.blocks.document import Document
from scv.data.resident import Resident
from scv.ml.train.train import train
from scv.training.diagnosis import Diagnosis, diagnose
from scv.training.progress import EpochMetrics
from scv.training.settings import TrainingSettings
from tests.ml.conftest import Listener, document, lenet, never

LENET = lenet(3, 1)
TINY = document(
    ("Conv2d", {"out_channels": 1, "kernel_size": 3}),
    "ReLU",
    ("AdaptiveAvgPool2d", {"output_size": 2}),
    "Flatten",
    ("Linear", {"out_features": 10}),
)


def curve(network: Document, settings: TrainingSettings, digits: Resident, folder: Path) -> list[EpochMetrics]:
    heard = Listener()
    train(network, settings, digits, folder=folder, device="cpu", emit=heard, should_stop=never)
    return heard.of(EpochMetrics)


def found(network: Document, settings: TrainingSettings, digits: Resident, folder: Path) -> Diagnosis:
    (only,) = diagnose(curve(network, settings, digits, folder), 10, settings, finished=True)
    return only


@pytest.mark.parametrize(
    ("network", "settings", "kind"),
    [
        (LENET, {"epochs": 30}, "learning"),
        (LENET, {"epochs": 30, "schedule": "constant"}, "learning"),
        (document("Flatten", ("Linear", {"out_features": 10})), {"epochs": 30}, "learning"),
        (LENET, {"epochs": 5}, "unfinished"),
        (LENET, {"epochs": 4, "learning_rate": 0.1}, "stuck"),
        (LENET, {"epochs": 4, "learning_rate": 1e-6}, "stuck"),
        (LENET, {"epochs": 10, "optimizer": "SGD", "learning_rate": 0.3}, "diverging"),
        (TINY, {"epochs": 40}, "underfitting"),
        (LENET, {"epochs": 100, "train_percent": 2, "batch_size": 16}, "overfitting"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_wrong_is_found(
    network: Document, settings: dict[str, Any], kind: str, digits: Resident, tmp_path: Path
) -> None:
    assert found(network, TrainingSettings(**settings), digits, tmp_path).kind == kind


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 4, "learning_rate": 0.1},
        {"epochs": 4, "learning_rate": 1e-6},
        {"epochs": 10, "optimizer": "SGD", "learning_rate": 0.3},
        {"epochs": 5},
        {"epochs": 60, "train_percent": 2, "batch_size": 16},
    ],
    ids=str,
)
def test_the_change_that_is_offered_makes_it_better(settings: dict[str, Any], digits: Resident, tmp_path: Path) -> None:
    before = TrainingSettings(**settings)
    advised = found(LENET, before, digits, tmp_path / "before")
    after = msgspec.structs.replace(before, **advised.change)

    scores = [
        curve(LENET, chosen, digits, tmp_path / name)[-1].validation_accuracy
        for name, chosen in (("before", before), ("after", after))
    ]
    assert scores[1] > scores[0] + 0.02


def test_a_running_training_is_not_judged_too_early(digits: Resident, tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=4, learning_rate=1e-6)
    epochs = curve(LENET, settings, digits, tmp_path)

    assert diagnose(epochs[:2], 10, settings, finished=False) == ()
    assert [diagnosis.kind for diagnosis in diagnose(epochs[:3], 10, settings, finished=False)] == ["stuck"]
