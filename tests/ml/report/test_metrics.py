from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, top_k_accuracy_score

from scv.data.resident import Resident
from scv.ml.predictions import Outcomes, answers_to
from scv.ml.report.metrics import calibration, class_figures, confusion_counts, make_metrics, top_k
from scv.ml.trained import Trained
from scv.report.metrics import Metrics
from tests.ml.conftest import FORGETFUL, document
from tests.ml.reported import images, learned, silence, unlearned


@pytest.fixture(scope="module")
def trained(digits: Resident, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return learned(FORGETFUL, digits, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def outcomes(trained: Trained, digits: Resident) -> Outcomes:
    return answers_to(trained, digits.test_images, digits.test_labels, silence)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def metrics(trained: Trained, digits: Resident, folder: Path) -> Metrics:
    return make_metrics(trained, digits, folder, silence)


def test_the_figures_are_those_of_scikit_learn(metrics: Metrics, outcomes: Outcomes) -> None:
    truth, answer = outcomes.labels, outcomes.predictions
    assert 0.5 < metrics.accuracy < 1, "it has learned, and there are mistakes to count"
    assert metrics.confusion.counts == tuple(map(tuple, confusion_matrix(truth, answer).tolist()))
    assert metrics.images == len(truth)
    assert metrics.right == (truth == answer).sum()

    of_each = precision_recall_fscore_support(truth, answer, zero_division=0)
    for row, *expected in zip(metrics.classes, *of_each, strict=True):
        assert (row.precision, row.recall, row.f1, row.support) == pytest.approx(tuple(expected))
    for kind, average in (("macro", metrics.macro), ("micro", metrics.micro)):
        expected = precision_recall_fscore_support(truth, answer, average=kind, zero_division=0)[:3]
        assert (average.precision, average.recall, average.f1) == pytest.approx(expected)

    assert [row.k for row in metrics.top] == [1, 2, 3, 5]
    for row in metrics.top:
        assert row.accuracy == pytest.approx(top_k_accuracy_score(truth, outcomes.logits, k=row.k))


def test_the_calibration_error_is_that_of_the_direct_formula(metrics: Metrics, outcomes: Outcomes) -> None:
    """Guo et al. 2017: the sum over bins of |B| / n · |acc(B) - conf(B)|, a bin being ((m - 1) / M, m / M]."""
    error = 0.0
    sure, right = outcomes.confidences.astype(float), outcomes.labels == outcomes.predictions
    for number, row in enumerate(metrics.calibration.bins):
        inside = (sure > number / 15) & (sure <= (number + 1) / 15)
        assert row.count == inside.sum()
        if inside.any():
            assert row.accuracy == pytest.approx(right[inside].mean())
            assert row.confidence == pytest.approx(sure[inside].mean())
            error += inside.sum() / len(sure) * abs(right[inside].mean() - sure[inside].mean())
    assert metrics.calibration.error == pytest.approx(error)
    assert metrics.calibration.error > 0
    assert metrics.calibration.confidence == pytest.approx(sure.mean())


def test_a_network_that_is_as_sure_as_it_is_right_has_no_calibration_error() -> None:
    confidences = np.full(1000, 0.75, np.float32)
    assert calibration(confidences, np.arange(1000) % 4 > 0).error == 0
    assert calibration(confidences, np.arange(1000) % 2 > 0).error == pytest.approx(0.25)
    assert calibration(np.ones(10, np.float32), np.zeros(10, bool)).error == 1


def test_a_cell_names_its_images_the_surest_first_and_shows_them(
    metrics: Metrics, outcomes: Outcomes, folder: Path, digits: Resident
) -> None:
    cells = metrics.confusion.cells
    sprite = metrics.confusion.sprite
    assert sprite is not None
    sheet = np.asarray(Image.open(folder / sprite.file))
    assert sprite.count == sum(cell.tiles for cell in cells)
    assert {(cell.label, cell.predicted): cell.count for cell in cells} == {
        (label, predicted): count
        for label, row in enumerate(metrics.confusion.counts)
        for predicted, count in enumerate(row)
        if count
    }
    mistakes = [cell for cell in cells if cell.label != cell.predicted]
    assert list(cells[: len(mistakes)]) == mistakes, "mistakes come first"
    assert [cell.count for cell in mistakes] == sorted((cell.count for cell in mistakes), reverse=True)
    for cell in cells:
        assert len(cell.images) == min(cell.count, 24)
        of_cell = list(cell.images)
        assert (outcomes.labels[of_cell] == cell.label).all()
        assert (outcomes.predictions[of_cell] == cell.predicted).all()
        assert (np.diff(outcomes.confidences[of_cell]) <= 0).all()
        for number in range(cell.tiles):
            row, column = divmod(cell.first_tile + number, sprite.columns)
            tile = sheet[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8]
            assert (tile == digits.test_images[cell.images[number], 0]).all()


def test_what_cannot_be_divided_is_said_to_be_unknown() -> None:
    counts = confusion_counts(np.array([0, 0, 1, 2]), np.array([0, 0, 2, 2]), 4)
    first, unnamed, mixed, absent = class_figures(counts, ("a", "b", "c", "d"))

    assert (first.precision, first.recall, first.f1) == (1, 1, 1)
    assert (unnamed.precision, unnamed.recall, unnamed.f1) == (None, 0, 0)
    assert (mixed.precision, mixed.recall) == (0.5, 1)
    assert (absent.precision, absent.recall, absent.f1) == (None, None, None)


def test_two_classes_have_no_second_guess() -> None:
    assert [row.k for row in top_k(np.array([0, 1]), 2)] == [1]
    assert [row.k for row in top_k(np.array([0, 1]), 3)] == [1, 2]


def test_images_of_two_hundred_classes_stay_within_one_sheet(tmp_path: Path) -> None:
    resident = images(tmp_path, (3, 96, 96), 200, test_size=2500)
    trained = unlearned(document("Flatten", ("Linear", {"out_features": 200})), resident)
    random = np.random.default_rng(0)
    logits = random.normal(size=(2500, 200)).astype(np.float32)
    found = Outcomes(np.arange(2500), np.asarray(resident.test_labels), logits, 0)

    metrics = make_metrics(trained, resident, tmp_path, silence, found)

    sprite = metrics.confusion.sprite
    assert sprite is not None
    assert sprite.count * sprite.width * sprite.height <= 4_100_000
    assert max(sprite.width, sprite.height) <= 64
    assert len(metrics.confusion.cells) > 2000
    alone = replace(found, logits=np.eye(200, dtype=np.float32)[found.labels])
    assert make_metrics(trained, resident, tmp_path, silence, alone).accuracy == 1
