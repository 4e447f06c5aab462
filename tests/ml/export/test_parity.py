"""The certificate: what is exported answers as what was trained, and where it does not the certificate says so."""

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
import torch

from scv.blocks.document import Block
from scv.blocks.starters import STARTERS
from scv.data.official.catalogue import find
from scv.data.resident import Resident
from scv.ml.export import onnx_export
from scv.ml.export.onnx_export import onnx_bytes
from scv.ml.export.parity import (
    IMAGES,
    ONNX,
    compare,
    make_parity,
    noise_images,
    script_dataset,
    script_logits,
    test_images,
)
from scv.ml.train.train import WEIGHTS, train
from scv.ml.trained import Trained, load_trained
from scv.ml.weights import content_hash
from scv.report.parity import TOLERANCE, Pair, Parity
from scv.training.recipe import data_code
from scv.training.settings import TrainingSettings
from tests.ml.conftest import FEW, FORGETFUL, Listener, never
from tests.ml.export.test_onnx_export import network

test_images.__test__ = False  # type: ignore[attr-defined]  # a function of ours, whose name pytest would take for a test

SHORT = TrainingSettings(epochs=1, batch_size=100, learning_rate=0.002, seed=5, shift=1, schedule="one-cycle")


def make(trained: Trained, resident: Resident, folder: Path) -> Parity:
    told: list[float] = []
    made = make_parity(trained, resident, folder, told.append)
    assert told == sorted(told)
    assert told[-1] == 1
    assert msgspec.json.decode(msgspec.json.encode(made), type=Parity) == made
    return made


@pytest.fixture(scope="module")
def trained(digits: Resident, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("run")
    train(FORGETFUL, FEW, digits, folder=folder, emit=Listener(), should_stop=never)
    return load_trained(folder / WEIGHTS)


@pytest.mark.parametrize("name", [name for name, starter in STARTERS.items() if not starter.exercise])
def test_every_starter_answers_the_same_in_all_three_forms(name: str, digits: Resident, tmp_path: Path) -> None:
    document = STARTERS[name].build(digits.shape, digits.classes)
    train(document, SHORT, digits, folder=tmp_path, emit=Listener(), should_stop=never)

    made = make(load_trained(tmp_path / WEIGHTS), digits, tmp_path)

    assert [(pair.first, pair.second) for pair in made.pairs] == [
        ("network", "script"),
        ("network", "onnx"),
        ("script", "onnx"),
    ]
    for pair in made.pairs:
        assert pair.agreement == 1
        assert pair.difference is not None
        assert pair.difference <= TOLERANCE == 1e-4
    assert made.ok
    assert made.onnx == ONNX
    onnx.checker.check_model(onnx.load(tmp_path / ONNX), full_check=True)


def test_the_certificate_says_what_was_compared(trained: Trained, digits: Resident, tmp_path: Path) -> None:
    made = make(trained, digits, tmp_path)

    assert made.images == IMAGES == 256
    assert (made.dataset, made.dataset_hash) == ("digits", digits.hash)
    assert made.weights_hash == content_hash(trained.network.state_dict())
    assert made.libraries["torch"] == version("torch")
    assert {"python", "scv", "onnx", "onnxruntime"} <= set(made.libraries)
    assert timedelta() <= datetime.now(UTC) - datetime.fromisoformat(made.made_at) < timedelta(minutes=5)
    assert made.largest is not None
    assert made.largest > 1


def test_the_images_are_spread_over_the_test_set_and_always_the_same(digits: Resident) -> None:
    images = test_images(digits)

    assert images.shape == (256, 1, 8, 8)
    assert (images[0] == digits.test_images[0]).all()
    assert any((images[-1] == image).all() for image in digits.test_images[-2:])
    assert len({image.tobytes() for image in images}) == 256
    assert (images == test_images(digits)).all()
    assert (noise_images((3, 8, 8)) == noise_images((3, 8, 8))).all()


def test_fewer_test_images_are_all_taken(noise: Resident) -> None:
    assert (test_images(noise) == noise.test_images).all()


def test_it_is_the_scripts_own_normalization_that_is_compared(
    trained: Trained, digits: Resident, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = onnx_bytes(trained)
    wrong = data_code(trained.info.settings, script_dataset(trained.info)).replace("/ 255 - mean", "/ 256 - mean")
    monkeypatch.setattr("scv.export.script.data_code", lambda settings, dataset: wrong)

    made = compare(trained, test_images(digits), digits.hash, file)

    by_name = {(pair.first, pair.second): pair for pair in made.pairs}
    assert by_name["network", "onnx"].ok
    assert not by_name["network", "script"].ok
    assert not by_name["script", "onnx"].ok
    assert not made.ok


def test_a_file_of_other_weights_is_found_out(trained: Trained, digits: Resident) -> None:
    other = replace(trained, network=copy.deepcopy(trained.network))
    with torch.no_grad():
        next(other.network.parameters()).mul_(1.01)

    made = compare(trained, test_images(digits), digits.hash, onnx_bytes(other))

    assert [pair.ok for pair in made.pairs] == [True, False, False]
    assert not made.ok


@pytest.mark.parametrize("dataset", ["digits", "mnist"])
def test_mean_and_spread_in_the_weights_are_what_the_script_finds_out(
    dataset: str, request: pytest.FixtureRequest
) -> None:
    resident: Resident = request.getfixturevalue(dataset)
    space: dict[str, Any] = {"torch": torch}
    exec(data_code(TrainingSettings(), find(dataset)), space)  # noqa: S102 - our own source

    mean, std = space["statistics"](torch.from_numpy(np.array(resident.train_images)))

    assert mean.flatten().tolist() == pytest.approx(resident.mean, rel=1e-6)
    assert std.flatten().tolist() == pytest.approx(resident.std, rel=1e-6)


def test_images_of_ones_own_are_certified_without_being_asked_for(noise: Resident, tmp_path: Path) -> None:
    train(FORGETFUL, SHORT, noise, folder=tmp_path, emit=Listener(), should_stop=never)
    trained = load_trained(tmp_path / WEIGHTS)
    assert trained.info.dataset == "noise"

    made = make(trained, noise, tmp_path)

    assert made.ok
    assert made.images == 100


def test_without_onnx_the_script_is_certified_and_the_block_is_named(
    noise: Resident, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "exportable", lambda layer: layer)
    odd = {"out_channels": 3, "kernel_size": 2, "stride": 2, "dilation": 3, "output_padding": 2}
    trained = network(Block("odd", "ConvTranspose2d", odd), shape=(3, 8, 8), classes=10)

    made = make(trained, noise, tmp_path)

    assert [(pair.first, pair.second, pair.ok) for pair in made.pairs] == [("network", "script", True)]
    assert made.onnx is None
    assert "odd" in str(made.problem)
    assert not made.ok
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", ["weight", "bias"])
def test_logits_that_are_no_numbers_are_no_agreement(part: str, noise: Resident) -> None:
    trained = network(shape=(3, 8, 8), classes=10)
    with torch.no_grad():
        getattr(trained.network.linear1, part).fill_(float("inf"))

    made = compare(trained, test_images(noise), noise.hash, onnx_bytes(trained))

    assert [pair.difference for pair in made.pairs] == [None] * 3
    assert made.largest is None
    assert not made.ok
    assert msgspec.json.decode(msgspec.json.encode(made), type=Parity) == made


def test_whoever_listens_may_stop_it(trained: Trained, digits: Resident, tmp_path: Path) -> None:
    def stop(done: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_parity(trained, digits, tmp_path, stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("difference", "agreement", "ok"),
    [(0.0, 1.0, True), (1e-4, 1.0, True), (1.1e-4, 1.0, False), (0.0, 0.996, False), (None, 1.0, False)],
)
def test_a_pair_is_the_same_by_every_label_and_every_logit(difference: Any, agreement: float, ok: bool) -> None:
    assert Pair(first="network", second="onnx", difference=difference, agreement=agreement).ok is ok


def test_the_script_leaves_the_weights_alone(trained: Trained, digits: Resident) -> None:
    before = content_hash(trained.network.state_dict())
    with torch.inference_mode():
        first, second = (script_logits(trained)(test_images(digits)) for _ in range(2))

    assert (first == second).all()
    assert content_hash(trained.network.state_dict()) == before
