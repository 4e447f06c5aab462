import json
import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image

from scv.data.images.preprocess import form_of, see
from scv.data.resident import Resident
from scv.ml.errors import NoNumbersError
from scv.ml.explain.out_of_distribution import (
    Detector,
    detector_of,
    familiar_path,
    features_and_logits,
    learn_familiar,
    read_familiar,
)
from scv.ml.predict import predict
from scv.ml.train.train import WEIGHTS, train
from scv.ml.trained import Trained, load_trained
from scv.report.prediction import Prediction
from tests.data.handwriting import KINDS, images
from tests.examples import examples
from tests.ml.conftest import FEW, FORGETFUL, Listener, document, lenet, never
from tests.ml.explain.strangers import Strangers, auroc, clothes, letters, noise
from tests.ml.reported import ruin, ruin_in_part, unlearned

FORM = form_of("mnist", (1, 28, 28))


@pytest.fixture(scope="module")
def trained(reader: Path) -> Trained:
    return load_trained(reader)


@pytest.fixture(scope="module")
def detector(trained: Trained, mnist: Resident) -> Detector:
    return learn_familiar(trained, mnist)


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=[kind.__name__ for kind in KINDS])
def test_digits_that_people_draw_and_photograph_are_recognised(trained: Trained, kind: int) -> None:
    """At least 90 % of them: ten of each kind, one of each digit, where nobody asks for more examples."""
    count = examples(10)
    drawn = images(kind, count, seed=3)
    right = sum(predict(trained, see(data, FORM).pixels).guesses[0].label == digit for digit, data in drawn)

    assert right >= 0.9 * count, f"{right} of {count}"


def test_real_digits_are_still_read_when_they_come_as_images_of_any_size(trained: Trained, mnist: Resident) -> None:
    random = np.random.default_rng(0)
    right = 0
    for index in range(200):
        side = int(random.integers(60, 400))
        image = Image.fromarray(255 - mnist.test_images[index, 0]).resize((side, side), Image.Resampling.BICUBIC)
        page = Image.new("L", (500, 450), 255)
        page.paste(image, tuple(int(random.integers(0, room - side)) for room in page.size))
        right += predict(trained, see(page, FORM).pixels).guesses[0].label == mnist.test_labels[index]

    assert right >= 190, f"{right} of 200; as they are, about 198 are read"


def test_digits_of_eight_by_eight_are_read_from_drawings_as_well(digits: Resident, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(FEW, epochs=30)
    train(lenet(3, 1), settings, digits, folder=tmp_path, emit=Listener(), should_stop=never)
    trained, form = load_trained(tmp_path / WEIGHTS), form_of("digits", (1, 8, 8))
    drawn = [image for kind in (0, 1, 4, 6) for image in images(kind, 20, seed=3)]
    right = sum(predict(trained, see(data, form).pixels).guesses[0].label == digit for digit, data in drawn)

    assert right >= 0.85 * len(drawn), f"{right} of {len(drawn)}"


def test_an_answer_holds_what_the_network_says(trained: Trained, mnist: Resident) -> None:
    pixels = np.asarray(mnist.test_images[0])
    answer = predict(trained, pixels)
    with torch.inference_mode():
        expected = trained.logits(torch.from_numpy(pixels.copy())[None]).double().softmax(1)[0]

    assert torch.allclose(torch.tensor(answer.probabilities, dtype=torch.float64), expected, atol=1e-6)
    assert [guess.label for guess in answer.guesses] == expected.argsort(descending=True)[:5].tolist()
    assert answer.guesses[0].name == "7"
    assert answer.entropy == pytest.approx(-(expected * expected.log2()).sum().item(), abs=1e-6)
    assert answer.most_entropy == pytest.approx(math.log2(10))
    assert answer.familiarity is None
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Prediction) == answer


def test_pixels_of_another_shape_are_no_image_for_it(trained: Trained) -> None:
    for pixels in (np.zeros((3, 28, 28), np.uint8), np.zeros((1, 28, 28), np.float32)):
        with pytest.raises(ValueError, match="the network takes"):
            predict(trained, pixels)


@pytest.mark.parametrize(
    ("strangers", "least_auroc", "least_told"),
    [(noise, 0.98, 0.7), (clothes, 0.98, 0.6), (letters, 0.9, 0.2)],
    ids=["noise", "clothes", "letters"],
)
def test_what_it_never_learned_from_is_strange(
    trained: Trained,
    detector: Detector,
    mnist: Resident,
    strangers: object,
    least_auroc: float,
    least_told: float,
) -> None:
    pixels: Strangers = strangers(200)  # type: ignore[operator]
    strange = strangeness(trained, detector, pixels)
    known = strangeness(trained, detector, mnist.test_images[1:4000:5])  # others than the limit was taken from

    assert auroc(known, strange) >= least_auroc
    assert (strange > 1).mean() >= least_told


def test_about_one_in_a_hundred_of_the_test_images_is_called_strange_wrongly(
    trained: Trained, detector: Detector, mnist: Resident
) -> None:
    others = strangeness(trained, detector, mnist.test_images[1::5])
    assert 0.002 < (others > 1).mean() < 0.025


def test_a_strange_image_is_told_and_a_digit_is_not(trained: Trained, detector: Detector, mnist: Resident) -> None:
    digit, stranger = predict(trained, mnist.test_images[0], detector), predict(trained, noise(1)[0], detector)

    assert digit.familiarity is not None
    assert digit.familiarity.strangeness < 1
    assert digit.notes == ()
    assert stranger.familiarity is not None
    assert stranger.familiarity.unfamiliar
    assert "1%" in str(stranger.notes[0])


def test_what_was_learned_of_the_dataset_is_kept_and_belongs_to_its_network_alone(
    digits: Resident, tmp_path: Path
) -> None:
    data_dir = tmp_path / "none"
    runs = []
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        settings = msgspec.structs.replace(FEW, epochs=1, seed=seed)
        train(FORGETFUL, settings, digits, folder=folder, emit=Listener(), should_stop=never)
        runs.append((folder / WEIGHTS, load_trained(folder / WEIGHTS)))
    (weights, network), (_, other) = runs
    assert detector_of(weights, network, data_dir) is None, "the dataset is not at hand"
    learned = learn_familiar(network, digits)
    learned.write(familiar_path(weights))

    read = detector_of(weights, network, data_dir)
    assert read is not None
    pixels = torch.from_numpy(digits.test_images[:20].copy())
    assert read.judge(*features_and_logits(network, pixels)) == learned.judge(*features_and_logits(network, pixels))
    assert read_familiar(familiar_path(weights), other) is None
    familiar_path(weights).write_bytes(b"torn")
    assert read_familiar(familiar_path(weights), network) is None


@pytest.mark.parametrize(
    "network",
    [
        document("Flatten", ("Linear", {"out_features": 10})),
        document(("Conv2d", {"out_channels": 10}), "AdaptiveAvgPool2d", "Flatten"),
        document(("Conv2d", {"out_channels": 64, "padding": 1}), "Flatten", ("Linear", {"out_features": 10})),
    ],
    ids=["one layer", "no dense layer", "many features"],
)
def test_any_network_has_features_to_compare(network: object, digits: Resident, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(FEW, epochs=1)
    train(network, settings, digits, folder=tmp_path, emit=Listener(), should_stop=never)  # type: ignore[arg-type]
    trained = load_trained(tmp_path / WEIGHTS)
    detector = learn_familiar(trained, digits)
    answer = predict(trained, digits.test_images[3], detector)

    assert detector.directions.shape[1] <= 1024
    assert answer.familiarity is not None
    assert json.loads(msgspec.json.encode(answer))["familiarity"]["strangeness"] < 3


def test_of_a_network_whose_answers_are_no_numbers_that_is_said_and_nothing_is_learned(
    digits: Resident, tmp_path: Path
) -> None:
    settings = msgspec.structs.replace(FEW, epochs=1)
    train(FORGETFUL, settings, digits, folder=tmp_path, emit=Listener(), should_stop=never)
    ruined = ruin(tmp_path / WEIGHTS)

    with pytest.raises(NoNumbersError, match=r"not numbers.*smaller learning rate, such as 0\.0002"):
        predict(ruined, digits.test_images[0])
    assert learn_familiar(ruined, digits) is None


def test_what_is_familiar_is_learned_from_the_images_that_get_numbers(digits: Resident, tmp_path: Path) -> None:
    trained = unlearned(document("Flatten", ("Linear", {"out_features": 10})), digits)
    ruin_in_part(trained)
    learned = learn_familiar(trained, digits)
    assert learned is not None
    learned.write(tmp_path / "familiar")

    read = read_familiar(tmp_path / "familiar", trained)
    assert read is not None
    assert 0 < len(read.directions) < len(digits.train_labels)
    judged = read.judge(*features_and_logits(trained, torch.from_numpy(digits.test_images.copy())))
    assert any(judged)
    assert not all(judged)
    assert all(math.isfinite(each.strangeness) for each in judged if each)


def strangeness(trained: Trained, detector: Detector, pixels: Strangers) -> np.ndarray:
    judged = detector.judge(*features_and_logits(trained, torch.from_numpy(np.array(pixels))))
    return np.array([each.strangeness for each in judged])
