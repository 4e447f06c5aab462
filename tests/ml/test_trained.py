from pathlib import Path

import msgspec
import pytest
import torch

from scv.data.resident import Resident
from scv.ml.errors import WeightsError
from scv.ml.train.train import WEIGHTS, train
from scv.ml.trained import Trained, WeightsInfo, identity_of, load_trained
from scv.ml.weights import read_tensors, write_tensors
from tests.ml.conftest import FEW, FORGETFUL, Listener, never


@pytest.fixture(scope="module")
def weights(digits: Resident, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(FORGETFUL, FEW, digits, folder=folder, emit=Listener(), should_stop=never)
    return folder / WEIGHTS


def test_weights_become_a_network_that_answers(weights: Path, digits: Resident) -> None:
    trained = load_trained(weights)

    logits = trained.logits(torch.from_numpy(digits.test_images[:50].copy()))

    assert logits.shape == (50, 10)
    right = (logits.argmax(1).numpy() == digits.test_labels[:50]).mean()
    assert right > 0.5, "chance would be 0.1"
    alone = trained.logits(torch.from_numpy(digits.test_images[:1].copy()))
    assert torch.allclose(alone, logits[:1], atol=1e-5), "what else is in the batch does not count"
    assert trained.class_names == digits.class_names


def test_weights_that_do_not_say_their_classes_take_the_names_of_the_dataset(weights: Path, tmp_path: Path) -> None:
    tensors, text = read_tensors(weights)
    old = msgspec.json.decode(text)
    del old["class_names"]
    for name, expected in (("fashion-mnist", "T-shirt/top"), ("elsewhere", "0")):
        write_tensors(tmp_path / "old", tensors, msgspec.json.encode({**old, "dataset": name}).decode())
        assert load_trained(tmp_path / "old").class_names[0] == expected


def test_what_holds_no_weights_is_refused_and_named(weights: Path, tmp_path: Path) -> None:
    tensors, text = read_tensors(weights)
    info = msgspec.json.decode(text, type=WeightsInfo)
    other = msgspec.json.encode(msgspec.structs.replace(info, input_shape=(3, 8, 8))).decode()
    torn, foreign, misfit = tmp_path / "torn", tmp_path / "foreign", tmp_path / "misfit"
    torn.write_bytes(weights.read_bytes()[:-9])
    write_tensors(foreign, tensors, "{}")
    write_tensors(misfit, tensors, other)

    for path in (torn, foreign, misfit, tmp_path / "missing"):
        with pytest.raises(WeightsError) as refused:
            load_trained(path)
        assert path.name in str(refused.value)


def test_the_name_of_a_network_follows_from_its_weights_and_what_belongs_to_them(weights: Path) -> None:
    trained = load_trained(weights)
    assert identity_of(trained) == identity_of(load_trained(weights))
    moved = Trained(msgspec.structs.replace(trained.info, dataset="elsewhere"), trained.network, trained.normalize)
    assert identity_of(trained) != identity_of(moved)
    nudged = load_trained(weights)
    with torch.no_grad():
        next(nudged.network.parameters()).view(-1)[0] += 1e-3
    assert identity_of(trained) != identity_of(nudged)
