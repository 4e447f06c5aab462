from pathlib import Path

import numpy as np
import pytest
import torch

from scv.data.resident import Resident
from scv.ml.device import place
from scv.ml.predictions import Outcomes, answers_to
from scv.ml.train.evaluate import evaluate
from tests.ml.conftest import FORGETFUL
from tests.ml.reported import learned, silence, unlearned


@pytest.fixture(scope="module")
def outcomes(digits: Resident, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    trained = learned(FORGETFUL, digits, tmp_path_factory.mktemp("run"))
    found = answers_to(trained, digits.test_images, digits.test_labels, silence)
    score = evaluate(
        trained.network, place(digits.test_images, digits.test_labels, torch.device("cpu")), trained.normalize
    )
    assert found.losses.mean() == pytest.approx(score.loss, rel=1e-5)
    assert 1 - found.wrong.mean() == pytest.approx(score.accuracy)
    return found


def test_the_answers_agree_with_each_other(outcomes: Outcomes, digits: Resident) -> None:
    assert outcomes.labels.tolist() == digits.test_labels.tolist()
    assert outcomes.probabilities.sum(1) == pytest.approx(1, abs=1e-5)
    assert ((outcomes.ranks == 0) == ~outcomes.wrong).all()
    assert 0 < outcomes.wrong.sum() < len(outcomes.labels)
    for position in (0, 7):
        example = outcomes.example(position)
        assert example.index == position
        assert example.confidence == pytest.approx(outcomes.probabilities[position].max())
        assert example.label_probability == pytest.approx(outcomes.probabilities[position, example.label], rel=1e-4)
        assert example.loss == pytest.approx(-np.log(example.label_probability), abs=1e-5)


def test_chosen_images_keep_their_places_in_the_dataset(digits: Resident) -> None:
    chosen = np.array([3, 50, 300])
    found = answers_to(unlearned(FORGETFUL, digits), digits.test_images, digits.test_labels, silence, chosen)

    assert [found.example(n).index for n in range(3)] == [3, 50, 300]
    assert found.labels.tolist() == digits.test_labels[chosen].tolist()


def test_progress_ends_with_the_whole_and_a_stop_goes_through(digits: Resident) -> None:
    heard: list[float] = []
    trained = unlearned(FORGETFUL, digits)
    answers_to(trained, digits.test_images, digits.test_labels, heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0

    def stop(done: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answers_to(trained, digits.test_images, digits.test_labels, stop)


def test_answers_that_are_no_numbers_are_counted_and_do_no_harm(digits: Resident, tmp_path: Path) -> None:
    trained = unlearned(FORGETFUL, digits)
    with torch.no_grad():
        trained.network[-1].bias[3] = torch.nan  # type: ignore[index, operator, union-attr]

    found = answers_to(trained, digits.test_images, digits.test_labels, silence)

    assert found.not_finite == len(digits.test_labels)
    assert not (found.predictions == 3).any(), "what is no number is the least likely"
    for figures in (found.logits, found.losses, found.probabilities):
        assert np.isfinite(figures).all()


def test_of_equal_answers_the_first_is_taken_and_ranks_say_so_too() -> None:
    logits = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]], np.float32)
    found = Outcomes(np.arange(3), np.array([0, 1, 2]), logits, 0)

    assert found.predictions.tolist() == [0, 0, 0]
    assert found.ranks.tolist() == [0, 1, 2]
