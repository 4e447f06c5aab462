import subprocess
import sys
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from scv.blocks.document import encode
from scv.data.resident import Arrays, Resident
from scv.data.resident_writer import write_resident
from scv.data.splits import split
from scv.ml.build import build
from scv.ml.device import Normalize, place
from scv.ml.errors import TrainingError
from scv.ml.train.evaluate import evaluate
from scv.ml.train.train import WEIGHTS, generator_of, train
from scv.ml.trained import WeightsInfo
from scv.ml.weights import read_tensors
from scv.settings import ROOT
from scv.training import progress
from scv.training.progress import EpochMetrics, Progress, Result, Started, Stopped
from scv.training.settings import TrainingSettings
from tests.ml.conftest import FEW, FORGETFUL, Listener, document, lenet, never, trained_reader


def test_a_lenet_reads_digits(digits: Resident, tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=30)

    result = train(lenet(3, 1), settings, digits, folder=tmp_path, emit=Listener(), should_stop=never)

    assert isinstance(result, Result)
    assert result.test_accuracy >= 0.96


def test_a_lenet_reads_mnist_after_two_epochs() -> None:
    result = msgspec.json.decode((trained_reader() / "result.json").read_bytes(), type=Result)

    assert result.epochs == 2
    assert result.test_accuracy >= 0.985


def test_the_events_tell_the_whole_story(digits: Resident, tmp_path: Path) -> None:
    heard = Listener()
    result = train(FORGETFUL, FEW, digits, folder=tmp_path, device="cpu", emit=heard, should_stop=never)

    assert heard.events[0] == Started(
        device="cpu",
        parameters=1039,
        epochs=3,
        steps_per_epoch=14,
        train_images=1302,
        validation_images=140,
        test_images=355,
    )
    first = heard.events[1]
    assert isinstance(first, Progress), "the first sign of life comes with the first step"
    assert (first.epoch, first.step, first.steps, first.done) == (1, 1, 14, pytest.approx(1 / 42))
    assert [metrics.epoch for metrics in heard.of(EpochMetrics)] == [1, 2, 3]
    assert isinstance(heard.events[-1], progress.Testing)
    assert isinstance(result, Result)
    assert result.epochs == 3
    assert result.dataset_hash == digits.hash
    assert result.parameters == 1039
    assert {"torch", "torchvision", "numpy"} <= result.libraries.keys()


def test_the_best_epoch_is_chosen_by_validation_and_tested_once(digits: Resident, tmp_path: Path) -> None:
    heard = Listener()
    settings = TrainingSettings(epochs=8, learning_rate=0.05)  # restless, so that the last epoch is not the best
    result = train(lenet(3, 1), settings, digits, folder=tmp_path, emit=heard, should_stop=never)
    assert isinstance(result, Result)

    epochs = heard.of(EpochMetrics)
    best = max(epochs, key=lambda metrics: (metrics.validation_accuracy, -metrics.validation_loss))
    assert result.best_epoch == best.epoch == [metrics.epoch for metrics in epochs if metrics.best][-1]
    assert heard.of(progress.Testing) == [progress.Testing(best_epoch=best.epoch)]

    weights, _ = read_tensors(tmp_path / WEIGHTS)
    network = build(lenet(3, 1), (1, 8, 8), 10)
    network.load_state_dict(weights)
    cpu = torch.device("cpu")
    normalize = Normalize(digits.mean, digits.std, cpu)
    validated = evaluate(
        network, place(digits.train_images, digits.train_labels, cpu, split(digits.train_labels).validation), normalize
    )
    tested = evaluate(network, place(digits.test_images, digits.test_labels, cpu), normalize)
    assert validated.accuracy == best.validation_accuracy == result.validation_accuracy
    assert tested.accuracy == result.test_accuracy
    assert tested.loss == pytest.approx(result.test_loss, rel=1e-4)


def test_the_weights_say_what_they_belong_to(digits: Resident, tmp_path: Path) -> None:
    result = train(FORGETFUL, FEW, digits, folder=tmp_path, emit=Listener(), should_stop=never)
    assert isinstance(result, Result)

    _, text = read_tensors(Path(result.weights))

    info = msgspec.json.decode(text, type=WeightsInfo)
    assert encode(info.document) == encode(FORGETFUL)
    assert (info.dataset, info.dataset_hash) == ("digits", digits.hash)
    assert (info.input_shape, info.classes) == ((1, 8, 8), 10)
    assert (info.mean, info.std) == (digits.mean, digits.std)
    assert (info.settings, info.epoch) == (FEW, result.best_epoch)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(digits: Resident, tmp_path: Path) -> None:
    kept = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        settings = msgspec.structs.replace(FEW, seed=seed)
        train(FORGETFUL, settings, digits, folder=tmp_path / name, emit=Listener(), should_stop=never)
        torch.rand(7)  # what is drawn between two trainings does not matter
        kept.append(read_tensors(tmp_path / name / WEIGHTS)[0])

    assert all(torch.equal(tensor, kept[1][name]) for name, tensor in kept[0].items())
    assert not torch.equal(kept[0]["conv1.weight"], kept[2]["conv1.weight"])


def test_every_epoch_has_chances_of_its_own() -> None:
    orders = [torch.randperm(100, generator=generator_of(3, epoch)) for epoch in (1, 2, 1)]

    assert not torch.equal(orders[0], orders[1])
    assert torch.equal(orders[0], orders[2])


def test_a_stopped_training_keeps_its_best_weights(digits: Resident, tmp_path: Path) -> None:
    heard = Listener()
    result = train(
        FORGETFUL, FEW, digits, folder=tmp_path, emit=heard, should_stop=lambda: len(heard.of(EpochMetrics)) == 2
    )

    assert result == Stopped(epochs=2)
    assert not heard.of(progress.Testing)
    assert read_tensors(tmp_path / WEIGHTS)[0].keys() == build(FORGETFUL, (1, 8, 8), 10).state_dict().keys()


def test_a_stop_before_the_first_step_leaves_no_weights(digits: Resident, tmp_path: Path) -> None:
    result = train(FORGETFUL, FEW, digits, folder=tmp_path, emit=Listener(), should_stop=lambda: True)

    assert result == Stopped(epochs=0)
    assert not (tmp_path / WEIGHTS).exists()


def test_a_stop_is_heard_while_testing(digits: Resident, tmp_path: Path) -> None:
    heard = Listener()
    result = train(
        FORGETFUL, FEW, digits, folder=tmp_path, emit=heard, should_stop=lambda: bool(heard.of(progress.Testing))
    )

    assert result == Stopped(epochs=3)


def test_a_training_that_diverges_says_what_to_try(noise: Resident, tmp_path: Path) -> None:
    deep = document("Flatten", *[("Linear", {"out_features": 100})] * 12, ("Linear", {"out_features": 10}))
    settings = TrainingSettings(learning_rate=10.0)

    with pytest.raises(TrainingError, match="smaller learning rate") as caught:
        train(deep, settings, noise, folder=tmp_path, emit=Listener(), should_stop=never)
    assert caught.value.code == "diverged"


@pytest.mark.parametrize(
    ("optimizer", "rate", "better"), [("Adam", 1.0, "0.001"), ("RMSprop", 0.1, "0.001"), ("SGD", 1.0, "0.02")]
)
def test_an_absurd_learning_rate_is_named_with_one_to_try(
    optimizer: Any, rate: float, better: str, digits: Resident, tmp_path: Path
) -> None:
    settings = TrainingSettings(epochs=3, optimizer=optimizer, learning_rate=rate)
    heard = Listener()

    with pytest.raises(TrainingError, match=rf"[Tt]ry .*{better}\.") as caught:
        train(lenet(3, 1), settings, digits, folder=tmp_path, emit=heard, should_stop=never)
    assert caught.value.code == "diverged"
    assert not heard.of(EpochMetrics), "the first epoch shows it"


def test_a_linear_classifier_may_have_a_huge_loss_and_learn(digits: Resident, tmp_path: Path) -> None:
    heard = Listener()
    network = document("Flatten", ("Linear", {"out_features": 10}))
    settings = TrainingSettings(epochs=1, learning_rate=10.0)

    train(network, settings, digits, folder=tmp_path, emit=heard, should_stop=never)

    assert heard.of(EpochMetrics)[0].train_loss > 23


def test_a_batch_larger_than_the_data_is_refused_with_the_size_to_try(digits: Resident, tmp_path: Path) -> None:
    settings = TrainingSettings(batch_size=200, train_percent=10)

    with pytest.raises(TrainingError, match="Try 135 or fewer") as caught:
        train(FORGETFUL, settings, digits, folder=tmp_path, emit=Listener(), should_stop=never)
    assert caught.value.code == "batch_too_large"


def test_a_cutout_that_hides_the_image_is_refused(digits: Resident, tmp_path: Path) -> None:
    settings = TrainingSettings(cutout=8)

    with pytest.raises(TrainingError, match=r"8 × 8\. Try 4") as caught:
        train(FORGETFUL, settings, digits, folder=tmp_path, emit=Listener(), should_stop=never)
    assert caught.value.code == "invalid_settings"


def test_classes_of_few_images_validate_with_one_each(tmp_path: Path) -> None:
    images, labels = np.random.default_rng(0).integers(0, 256, (9, 1, 8, 8), dtype=np.uint8), np.arange(9) % 3
    tiny = write_resident(tmp_path, "tiny", Arrays(images, labels, images, labels))
    network, heard = document("Flatten", ("Linear", {"out_features": 3})), Listener()

    train(network, TrainingSettings(batch_size=2), tiny, folder=tmp_path, emit=heard, should_stop=never)
    (started,) = heard.of(Started)
    assert (started.train_images, started.validation_images) == (6, 3)


def test_classes_of_a_single_image_are_refused(tmp_path: Path) -> None:
    images, labels = np.zeros((3, 1, 8, 8), dtype=np.uint8), np.arange(3)
    tiny = write_resident(tmp_path, "tiny", Arrays(images, labels, images, labels))
    network = document("Flatten", ("Linear", {"out_features": 3}))

    with pytest.raises(TrainingError, match="a single image") as caught:
        train(network, TrainingSettings(batch_size=2), tiny, folder=tmp_path, emit=Listener(), should_stop=never)
    assert caught.value.code == "too_few_images"


def test_patience_ends_a_training_that_gets_no_better(digits: Resident, tmp_path: Path) -> None:
    heard = Listener()
    settings = TrainingSettings(epochs=60, learning_rate=0.02, schedule="constant", patience=2)
    result = train(lenet(3, 1), settings, digits, folder=tmp_path, emit=heard, should_stop=never)

    epochs = heard.of(EpochMetrics)
    assert isinstance(result, Result)
    assert result.epochs == len(epochs) == result.best_epoch + 2 < 60
    assert [metrics.best for metrics in epochs[-2:]] == [False, False]


def test_a_training_that_patience_ended_is_not_taken_up_again(digits: Resident, tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=60, learning_rate=0.02, schedule="constant", patience=2)
    first, again = Listener(), Listener()
    expected = train(lenet(3, 1), settings, digits, folder=tmp_path, emit=first, should_stop=never)
    result = train(lenet(3, 1), settings, digits, folder=tmp_path, emit=again, should_stop=never)

    assert isinstance(expected, Result)
    assert isinstance(result, Result)
    assert result.epochs == expected.epochs == len(again.of(EpochMetrics))
    assert result.test_loss == expected.test_loss


def test_the_shares_decide_how_many_images_serve_for_what(digits: Resident, tmp_path: Path) -> None:
    heard = Listener()
    settings = TrainingSettings(epochs=1, batch_size=20, train_percent=50, validation_percent=20)
    train(FORGETFUL, settings, digits, folder=tmp_path, emit=heard, should_stop=never)

    parts = split(digits.train_labels, train_percent=50, validation_percent=20)
    started = heard.of(Started)[0]
    assert (started.train_images, started.validation_images) == (len(parts.train), len(parts.validation))
    assert 0.39 < started.train_images / 1442 < 0.41 + 10 / 1442


def test_a_dataset_with_images_for_validation_is_validated_by_those_alone(digits: Resident, tmp_path: Path) -> None:
    heard = Listener()
    own = replace(digits, own_validation=np.arange(0, 1442, 7, dtype=np.int64), hash="another")
    settings = TrainingSettings(epochs=1, batch_size=20, validation_percent=50)
    train(FORGETFUL, settings, own, folder=tmp_path, emit=heard, should_stop=never)

    started = heard.of(Started)[0]
    assert (started.train_images, started.validation_images) == (1442 - 206, 206)
    network = build(FORGETFUL, (1, 8, 8), 10)
    network.load_state_dict(read_tensors(tmp_path / WEIGHTS)[0])
    cpu = torch.device("cpu")
    images = place(own.train_images, own.train_labels, cpu, np.arange(0, 1442, 7))
    scored = evaluate(network, images, Normalize(own.mean, own.std, cpu))
    assert scored.accuracy == heard.of(EpochMetrics)[0].validation_accuracy


def test_epochs_carry_their_pace_and_the_rate_of_their_last_step(digits: Resident, tmp_path: Path) -> None:
    heard = Listener()
    settings = msgspec.structs.replace(FEW, schedule="step")
    train(FORGETFUL, settings, digits, folder=tmp_path, emit=heard, should_stop=never)

    rates = [metrics.learning_rate for metrics in heard.of(EpochMetrics)]
    assert rates == [pytest.approx(rate) for rate in (0.002, 0.0002, 0.00002)]
    assert all(metrics.images_per_second > 0 for metrics in heard.of(EpochMetrics))
    assert heard.of(Progress)[0].learning_rate == 0.002


def test_progress_comes_at_most_five_times_a_second(
    digits: Resident, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that goes on by 10 ms each time it is read, so that no other process has a say in it."""
    clock = count(0, 0.01)
    read: list[float] = []

    def monotonic() -> float:
        read.append(next(clock))
        return read[-1]

    moments: list[float] = []

    def on_event(event: object) -> None:
        if isinstance(event, Progress):
            moments.append(read[-1])

    monkeypatch.setattr("scv.ml.train.train.time", SimpleNamespace(monotonic=monotonic))
    train(FORGETFUL, FEW, digits, folder=tmp_path, emit=Listener(on_event), should_stop=never)

    assert len(moments) > 2
    assert all(after - before > 0.19 for before, after in pairwise(moments))


def test_smoothed_labels_leave_the_figures_comparable(digits: Resident, tmp_path: Path) -> None:
    """A loss with smoothing could not fall below 0.5; what is shown is the plain one."""
    heard = Listener()
    settings = TrainingSettings(epochs=20, label_smoothing=0.1)
    train(lenet(3, 1), settings, digits, folder=tmp_path, emit=heard, should_stop=never)

    assert heard.of(EpochMetrics)[-1].train_loss < 0.3


def test_the_device_of_the_settings_is_the_one_that_counts(digits: Resident, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(FEW, device="cpu")
    result = train(FORGETFUL, settings, digits, folder=tmp_path, device="cuda:99", emit=Listener(), should_stop=never)

    assert isinstance(result, Result)
    assert result.device == "cpu"


def test_bf16_is_fp32_on_a_cpu_and_says_so(digits: Resident, tmp_path: Path) -> None:
    results, heard = [], Listener()
    for precision in ("fp32", "bf16"):
        settings = TrainingSettings(epochs=1, precision=precision, device="cpu")
        folder = tmp_path / precision
        results.append(train(FORGETFUL, settings, digits, folder=folder, emit=heard, should_stop=never))

    assert all(isinstance(result, Result) for result in results)
    assert results[0].test_loss == results[1].test_loss  # type: ignore[union-attr]
    assert [started.precision for started in heard.of(Started)] == ["fp32", "fp32"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_bf16_learns_on_a_gpu(mnist: Resident, tmp_path: Path) -> None:
    heard = Listener()
    settings = TrainingSettings(epochs=2, precision="bf16", device="cuda")
    result = train(lenet(), settings, mnist, folder=tmp_path, emit=heard, should_stop=never)

    assert isinstance(result, Result)
    assert heard.of(Started)[0].precision == "bf16"
    assert result.test_accuracy >= 0.98


def test_a_document_with_errors_is_refused(digits: Resident, tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        train(document("Flatten"), FEW, digits, folder=tmp_path, emit=Listener(), should_stop=never)
    assert caught.value.code == "invalid_document"


def test_settings_out_of_range_are_refused(digits: Resident, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="epochs") as caught:
        train(lenet(3, 1), TrainingSettings(epochs=0), digits, folder=tmp_path, emit=Listener(), should_stop=never)
    assert caught.value.code == "invalid_settings"


@pytest.mark.parametrize("batch_size", [1, 1301])
def test_a_batch_that_batchnorm_cannot_normalize_is_refused_at_once(
    batch_size: int, digits: Resident, tmp_path: Path
) -> None:
    network = document(
        ("Conv2d", {"out_channels": 4, "kernel_size": 8}), "BatchNorm2d", "Flatten", ("Linear", {"out_features": 10})
    )
    settings = TrainingSettings(batch_size=batch_size)

    with pytest.raises(TrainingError, match="another batch size") as caught:
        train(network, settings, digits, folder=tmp_path, emit=Listener(), should_stop=never)
    assert caught.value.code == "batch_too_small"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit a process's memory so")
def test_too_little_memory_is_said_and_not_a_defect(tmp_path: Path) -> None:
    """In a process of its own whose memory is limited for real."""
    code = f"""
import pathlib, resource
from scv.training.settings import TrainingSettings
from scv.ml.errors import TrainingError
from scv.ml.prepare_official import prepare
from scv.ml.train.train import train
from tests.ml.conftest import document

digits = prepare(pathlib.Path({str(tmp_path)!r}), "digits")
network = document(
    ("Conv2d", {{"out_channels": 4096, "kernel_size": 1}}),
    ("MaxPool2d", {{"kernel_size": 8}}),
    "Flatten",
    ("Linear", {{"out_features": 10}}),
)
with open("/proc/self/statm") as statm:
    used = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
try:
    folder = pathlib.Path({str(tmp_path / "run")!r})
    settings = TrainingSettings(batch_size=1302)
    train(network, settings, digits, folder=folder, device="cpu", emit=lambda event: None, should_stop=lambda: False)
except TrainingError as error:
    print(error.code, error.message)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.stdout.startswith("out_of_memory The memory is too small"), done.stderr


def test_one_batch_may_hold_all_images(digits: Resident, tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=1, batch_size=1302)
    result = train(FORGETFUL, settings, digits, folder=tmp_path, emit=Listener(), should_stop=never)

    assert isinstance(result, Result)
