from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from scv.data.resident import Resident
from scv.ml.predictions import Outcomes
from scv.ml.report.layers import make_layers
from scv.ml.report.metrics import make_metrics
from scv.ml.report.mistakes import make_mistakes
from scv.ml.report.summary import make_summary
from scv.ml.trained import Trained
from scv.report.layers import Layers
from scv.report.metrics import Metrics
from scv.report.summary import Summary
from scv.training.progress import Result
from tests.ml.conftest import document
from tests.ml.report.test_layers import DEADLY
from tests.ml.reported import learned, silence, unlearned

RESULT = Result(
    test_accuracy=0.9,
    test_loss=0.3,
    epochs=3,
    best_epoch=2,
    validation_accuracy=0.9,
    seconds=12.5,
    parameters=650,
    device="cpu",
    dataset_hash="",
    libraries={"torch": "2.13.0"},
    weights="",
)


@pytest.fixture
def trained(digits: Resident) -> Trained:
    return unlearned(DEADLY, digits)


def figures(trained: Trained, digits: Resident, folder: Path, right: float, sure: float) -> Metrics:
    """Of a network that is right so often and so sure; its mistakes take each class for the next."""
    labels = np.asarray(digits.test_labels)
    random = np.random.default_rng(0)
    answers = np.where(random.random(len(labels)) < right, labels, (labels + 1) % 10)
    chances = np.full((len(labels), 10), (1 - sure) / 9, np.float32)
    chances[np.arange(len(labels)), answers] = sure
    outcomes = Outcomes(np.arange(len(labels)), labels, np.log(chances), 0)
    return make_metrics(trained, digits, folder, silence, outcomes)


def text(summary: Summary) -> str:
    return "\n".join(str(sentence.message) for sentence in summary.sentences)


def test_a_trained_network_is_summed_up(digits: Resident, tmp_path: Path) -> None:
    network = document("Flatten", ("Linear", {"out_features": 32}), "ReLU", ("Linear", {"out_features": 10}))
    trained = learned(network, digits, tmp_path / "run", epochs=2)
    metrics = make_metrics(trained, digits, tmp_path, silence)
    layers = make_layers(trained, digits, tmp_path, silence)
    mistakes = make_mistakes(trained, digits, tmp_path, silence)

    summary = make_summary(trained, digits, metrics, layers, mistakes, RESULT)

    said = text(summary)
    cell = metrics.confusion.cells[0]
    for part in (
        f"Test accuracy {100 * metrics.accuracy:.1f}% ({len(digits.test_labels)} images)",
        f"{cell.label} predicted as {cell.predicted} ({cell.count} of",
        "Confidence interval (95%): ",
        "Validation accuracy was 90.0%",
        "channels of its activations",
    ):
        assert part in said
    for sentence in summary.sentences:
        assert sentence.section in ("summary", "metrics", "mistakes", "layers")
    source = summary.provenance
    assert (source.dataset, source.dataset_hash, source.same_data) == ("digits", digits.hash, True)
    assert (source.settings, source.epoch) == (trained.info.settings, trained.info.epoch)
    assert (source.parameters, source.seconds, source.training_device) == (2410, 12.5, "cpu")
    assert source.libraries["torch"]
    assert msgspec.json.decode(msgspec.json.encode(summary), type=Summary) == summary


@pytest.mark.parametrize(
    ("right", "sure", "tone", "part"),
    [
        (0.9, 0.9, "good", "Well calibrated"),
        (0.95, 0.999, "fair", "Overconfident"),
        (0.6, 0.999, "bad", "Overconfident"),
        (0.9, 0.6, "fair", "Underconfident"),
    ],
)
def test_confidence_is_compared_with_accuracy(
    trained: Trained, digits: Resident, tmp_path: Path, right: float, sure: float, tone: str, part: str
) -> None:
    summary = make_summary(trained, digits, figures(trained, digits, tmp_path, right, sure))
    assert [sentence.tone for sentence in summary.sentences if part in str(sentence.message)] == [tone]


@pytest.mark.parametrize(
    ("validation", "part"),
    [(0.9, "as expected"), (0.99, "is only"), (0.75, "may be easier")],
)
def test_the_test_is_compared_with_what_validation_promised(
    trained: Trained, digits: Resident, tmp_path: Path, validation: float, part: str
) -> None:
    result = msgspec.structs.replace(RESULT, validation_accuracy=validation)
    metrics = figures(trained, digits, tmp_path, 0.9, 0.9)
    assert part in text(make_summary(trained, digits, metrics, result=result))
    assert "Validation" not in text(make_summary(trained, digits, metrics))


def test_guesses_are_called_guesses_and_perfection_perfect(trained: Trained, digits: Resident, tmp_path: Path) -> None:
    guessing = make_summary(trained, digits, figures(trained, digits, tmp_path, 0.1, 0.5))
    assert guessing.sentences[0].tone == "bad"
    assert "no better than guessing" in text(guessing)
    perfect = make_summary(trained, digits, figures(trained, digits, tmp_path, 1.0, 0.999))
    assert perfect.sentences[0].tone == "good"
    assert "No mistakes" in text(perfect)
    assert "Worst class" not in text(perfect), "all classes are known equally well"
    nearly = make_summary(trained, digits, figures(trained, digits, tmp_path, 0.995, 0.999))
    assert "No confusion occurs more than once" in text(nearly)


def test_dead_channels_and_classes_that_are_never_named_are_spoken_of(
    trained: Trained, digits: Resident, tmp_path: Path
) -> None:
    bias: Any = trained.network[0].bias
    bias.data[:5] = -1000
    layers: Layers = make_layers(trained, digits, tmp_path, silence)
    labels = np.asarray(digits.test_labels)
    logits = 5 * np.eye(10, dtype=np.float32)[np.where(labels == 7, 1, labels)]
    metrics = make_metrics(trained, digits, tmp_path, silence, Outcomes(np.arange(len(labels)), labels, logits, 2))

    said = text(make_summary(trained, digits, metrics, layers))

    assert "5 of 14 channels" in said
    assert "in b1" in said
    assert "It never predicts 1 of the classes, such as 7." in said
    assert "Most frequent confusion: 7 predicted as 1" in said
    assert "For 2 test images its answer is not a number" in said


def test_other_data_than_the_trainings_are_mentioned_first(trained: Trained, digits: Resident, tmp_path: Path) -> None:
    info = msgspec.structs.replace(trained.info, dataset_hash="sha256:other")
    moved = Trained(info, trained.network, trained.normalize)
    summary = make_summary(moved, digits, figures(trained, digits, tmp_path, 0.9, 0.9))

    assert not summary.provenance.same_data
    assert "dataset has changed" in str(summary.sentences[0].message)
