from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image

from scv.data.resident import Arrays, Resident
from scv.data.resident_writer import write_resident
from scv.ml.predictions import Outcomes, answers_to
from scv.ml.report import mistakes as making
from scv.ml.report.mistakes import make_labels, make_mistakes, suspects
from scv.ml.train import folds
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
        margins = [example.label_probability - example.confidence for example in gallery.examples]
        assert margins == sorted(margins)
        assert all(example.label != example.predicted for example in gallery.examples)
    assert learned.looked == learned.images == learned.held_out == len(spoilt.train_labels)
    assert learned.folds == 5
    assert learned.accuracy is not None
    assert 0.85 < learned.accuracy < 0.98, "30 of 1,437 labels are wrong"
    assert learned.can_tell


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
    for module in (making, folds):
        monkeypatch.setattr(module, "_WORK", 0)
    found = make_labels(trained, spoilt, tmp_path, silence)

    assert found.looked == 500
    assert found.held_out == len(spoilt.validation)
    assert (found.folds, found.accuracy, found.can_tell) == (0, None, True)


def test_labels_that_mean_nothing_are_not_judged(digits: Resident, tmp_path: Path) -> None:
    """A network can learn them by heart; other networks of its kind cannot guess them."""
    labels = np.random.default_rng(0).integers(0, 10, 300)
    arrays = Arrays(digits.train_images[:300], labels, digits.test_images, digits.test_labels)
    nonsense = write_resident(tmp_path, "nonsense", arrays)
    network = learned(NETWORK, nonsense, tmp_path / "run", epochs=20)
    found = make_labels(network, nonsense, tmp_path, silence)

    assert found.accuracy is not None
    assert found.accuracy < 0.3
    assert not found.can_tell


def test_no_network_learns_from_what_it_is_asked_about(trained: Trained, spoilt: Resident) -> None:
    """Every image is held out once, those of a class evenly, and the random state is left as it was."""
    plan = folds.plan_folds(trained, len(spoilt.train_labels))
    assert plan is not None
    before = torch.random.get_rng_state()
    first, again = (folds.answer_out_of_fold(trained, spoilt, plan, silence) for _ in range(2))

    assert np.array_equal(first.logits, again.logits)
    assert torch.equal(torch.random.get_rng_state(), before)
    fold_of = folds.deal(np.asarray(spoilt.train_labels), plan.folds)
    for label in range(10):
        counts = np.bincount(fold_of[spoilt.train_labels == label], minlength=plan.folds)
        assert np.ptp(counts) <= 1


def test_fewer_images_than_folds_are_answered_too(trained: Trained, digits: Resident, tmp_path: Path) -> None:
    labels = np.array([0, 0, 1, 1])
    few = write_resident(tmp_path, "few", Arrays(digits.train_images[:4], labels, digits.train_images[:4], labels))
    two = msgspec.structs.replace(
        trained.info, document=document("Flatten", ("Linear", {"out_features": 2})), classes=2
    )

    found = folds.answer_out_of_fold(replace(trained, info=two), few, folds.FoldPlan(5, 1), silence)
    assert found.logits.shape == (4, 2)
    assert np.isfinite(found.logits).all()


def test_large_sets_get_one_pass_and_what_is_too_much_gets_none(trained: Trained) -> None:
    assert folds.plan_folds(trained, 60_000) == folds.FoldPlan(2, 1)
    assert folds.plan_folds(trained, 10**12) is None


def test_without_mistakes_there_is_nothing_to_show(trained: Trained, spoilt: Resident, tmp_path: Path) -> None:
    labels = np.asarray(spoilt.test_labels)
    perfect = Outcomes(np.arange(len(labels)), labels, 10 * np.eye(10, dtype=np.float32)[labels], 0)
    found = make_mistakes(trained, spoilt, tmp_path, silence, perfect)

    assert (found.confident.found, found.confident.examples, found.confident.sprite) == (0, (), None)
    assert found.suspects.found == 0
