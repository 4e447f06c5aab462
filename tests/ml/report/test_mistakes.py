from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scv.data.resident import Arrays, Resident
from scv.data.resident_writer import write_resident
from scv.ml.predictions import Outcomes, answers_to
from scv.ml.report import mistakes as making
from scv.ml.report.mistakes import make_labels, make_mistakes, suspects
from scv.ml.trained import Trained
from tests.ml.conftest import document
from tests.ml.reported import learned, silence

NETWORK = document("Flatten", ("Linear", {"out_features": 32}), "ReLU", ("Linear", {"out_features": 10}))

WRONG = {"train": range(0, 1400, 47), "test": range(0, 350, 35)}
"""Images that get another label than theirs."""


@pytest.fixture(scope="module")
def spoilt(digits: Resident, tmp_path_factory: pytest.TempPathFactory) -> Resident:
    labels = {"train": digits.train_labels.copy(), "test": digits.test_labels.copy()}
    for part, indices in WRONG.items():
        labels[part][indices] = (labels[part][indices] + 5) % 10
    arrays = Arrays(digits.train_images, labels["train"], digits.test_images, labels["test"])
    return write_resident(tmp_path_factory.mktemp("spoilt"), "spoilt", arrays)


@pytest.fixture(scope="module")
def trained(spoilt: Resident, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return learned(NETWORK, spoilt, tmp_path_factory.mktemp("run"), epochs=8)


def test_labels_that_were_changed_are_suspected(trained: Trained, spoilt: Resident, tmp_path: Path) -> None:
    tested = make_mistakes(trained, spoilt, tmp_path, silence)
    learned = make_labels(trained, spoilt, tmp_path, silence)

    for gallery, part in ((tested.suspects, "test"), (learned.suspects, "train")):
        first = {example.index for example in gallery.examples[: len(WRONG[part])]}
        assert len(first & set(WRONG[part])) >= 0.8 * len(first), "of 10 and 30 wrong labels"
        losses = [example.loss for example in gallery.examples]
        assert losses == sorted(losses, reverse=True)
        assert all(example.label != example.predicted for example in gallery.examples)
    assert learned.looked == learned.images == len(spoilt.train_labels)
    assert learned.held_out == len(spoilt.validation)


def test_the_surest_mistakes_come_first_with_their_images(trained: Trained, spoilt: Resident, tmp_path: Path) -> None:
    outcomes = answers_to(trained, spoilt.test_images, spoilt.test_labels, silence)
    confident = make_mistakes(trained, spoilt, tmp_path, silence, outcomes).confident

    assert confident.found == outcomes.wrong.sum()
    assert confident.examples[0].confidence == outcomes.confidences[outcomes.wrong].max()
    sprite = confident.sprite
    assert sprite is not None
    assert sprite.count == len(confident.examples)
    sheet = np.asarray(Image.open(tmp_path / sprite.file))
    for number, example in enumerate(confident.examples):
        row, column = divmod(number, sprite.columns)
        tile = sheet[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8]
        assert (tile == spoilt.test_images[example.index, 0]).all()


def test_a_doubt_needs_another_class_that_is_as_likely_as_is_usual() -> None:
    """Class 1 is usually found with 0.7 to 0.9; so 0.6 for it is no reason to doubt a label, 0.95 is."""
    chances = np.array([[0.1, 0.9], [0.3, 0.7], [0.4, 0.6], [0.05, 0.95], [0.9, 0.1]], np.float32)
    outcomes = Outcomes(np.arange(5), np.array([1, 1, 0, 0, 0]), np.log(chances), 0)

    assert suspects(outcomes).tolist() == [3]


def test_a_large_network_looks_first_at_what_it_did_not_learn_from(
    trained: Trained, spoilt: Resident, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "_WORK", 0)
    found = make_labels(trained, spoilt, tmp_path, silence)

    assert found.looked == 500
    assert found.held_out == len(spoilt.validation)


def test_without_mistakes_there_is_nothing_to_show(trained: Trained, spoilt: Resident, tmp_path: Path) -> None:
    labels = np.asarray(spoilt.test_labels)
    perfect = Outcomes(np.arange(len(labels)), labels, 10 * np.eye(10, dtype=np.float32)[labels], 0)
    found = make_mistakes(trained, spoilt, tmp_path, silence, perfect)

    assert (found.confident.found, found.confident.examples, found.confident.sprite) == (0, (), None)
    assert found.suspects.found == 0
