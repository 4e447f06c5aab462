"""A training that is interrupted anywhere and taken up again ends as if nothing had happened, to the last bit."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from scv.data.resident import Arrays, Resident
from scv.data.resident_writer import content_hash
from scv.ml.train.checkpoint import BEFORE, CHECKPOINT, TrainingHistory, load_checkpoint, save_checkpoint
from scv.ml.train.train import WEIGHTS, train
from scv.ml.weights import read_tensors
from scv.training.progress import EpochMetrics, Event, Progress, Result, Started, Stopped
from scv.training.settings import TrainingSettings
from tests.ml.conftest import FEW, FORGETFUL, Listener, lenet, never


class Killed(BaseException):
    """Takes the training down where it stands, as a signal would."""


def whole(metrics: list[EpochMetrics]) -> list[EpochMetrics]:
    """Without the wall times, which alone may differ."""
    return [msgspec.structs.replace(epoch, seconds=0.0, images_per_second=0.0) for epoch in metrics]


def same_tensors(one: Path, other: Path) -> bool:
    first, second = read_tensors(one)[0], read_tensors(other)[0]
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def killed_after(digits: Resident, folder: Path, epochs: int, settings: TrainingSettings = FEW) -> None:
    """Train until the first step after so many whole epochs, and die there."""

    def die(event: Event) -> None:
        if isinstance(event, EpochMetrics) and event.epoch == epochs:
            raise Killed

    with pytest.raises(Killed):
        train(FORGETFUL, settings, digits, folder=folder, emit=Listener(die), should_stop=never)
    torch.rand(13)  # whatever happened to the random states in between


class Asked:
    """Lets it train, and counts how often it was asked to stop."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> bool:
        self.times += 1
        return False


def killed_at_step(digits: Resident, folder: Path, step: int) -> None:
    """Train with a checkpoint before every step, and die when so many steps are done."""
    steps = iter(range(1000))

    def die() -> bool:
        if next(steps) == step:
            raise Killed
        return False

    with pytest.raises(Killed):
        train(FORGETFUL, FEW, digits, folder=folder, emit=Listener(), should_stop=die, checkpoint_seconds=0)
    torch.rand(13)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_killed_training_ends_like_one_left_alone(epochs: int, digits: Resident, tmp_path: Path) -> None:
    alone, resumed = Listener(), Listener()
    expected = train(FORGETFUL, FEW, digits, folder=tmp_path / "a", emit=alone, should_stop=never)
    killed_after(digits, tmp_path / "b", epochs)

    result = train(FORGETFUL, FEW, digits, folder=tmp_path / "b", emit=resumed, should_stop=never)

    assert isinstance(expected, Result)
    assert isinstance(result, Result)
    assert (result.test_accuracy, result.test_loss) == (expected.test_accuracy, expected.test_loss)
    assert result.best_epoch == expected.best_epoch
    assert whole(resumed.of(EpochMetrics)) == whole(alone.of(EpochMetrics))
    assert resumed.of(Started)[0].resumed_epoch == epochs
    assert same_tensors(tmp_path / "a" / WEIGHTS, tmp_path / "b" / WEIGHTS)
    assert same_tensors(tmp_path / "a" / CHECKPOINT, tmp_path / "b" / CHECKPOINT)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "SGD", "learning_rate": 0.02, "schedule": "cosine", "weight_decay": 5e-4},
        {"optimizer": "AdamW", "schedule": "step", "weight_decay": 0.05, "shift": 1, "cutout": 3},
        {"optimizer": "RMSprop", "schedule": "constant", "label_smoothing": 0.1, "train_percent": 50},
        {"flip": True, "rotation": 15, "crop": 20, "validation_percent": 20, "patience": 2},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_it_ends_the_same_whatever_the_settings(changes: dict[str, Any], digits: Resident, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(FEW, **changes)
    expected = train(FORGETFUL, settings, digits, folder=tmp_path / "a", emit=Listener(), should_stop=never)
    killed_after(digits, tmp_path / "b", 1, settings)

    result = train(FORGETFUL, settings, digits, folder=tmp_path / "b", emit=Listener(), should_stop=never)

    assert isinstance(expected, Result)
    assert isinstance(result, Result)
    assert result.test_loss == expected.test_loss
    assert same_tensors(tmp_path / "a" / WEIGHTS, tmp_path / "b" / WEIGHTS)
    assert same_tensors(tmp_path / "a" / CHECKPOINT, tmp_path / "b" / CHECKPOINT)


def test_a_training_stopped_amid_an_epoch_goes_on_from_the_one_before(digits: Resident, tmp_path: Path) -> None:
    expected = train(FORGETFUL, FEW, digits, folder=tmp_path / "a", emit=Listener(), should_stop=never)
    steps = iter(range(1000))
    train(FORGETFUL, FEW, digits, folder=tmp_path / "b", emit=Listener(), should_stop=lambda: next(steps) > 20)

    result = train(FORGETFUL, FEW, digits, folder=tmp_path / "b", emit=Listener(), should_stop=never)

    assert isinstance(expected, Result)
    assert isinstance(result, Result)
    assert result.test_loss == expected.test_loss


def same_end(alone: Path, resumed: Path) -> None:
    """The files of weights are equal to the last byte; the checkpoints but for the wall times in them."""
    assert (alone / WEIGHTS).read_bytes() == (resumed / WEIGHTS).read_bytes()
    assert same_tensors(alone / CHECKPOINT, resumed / CHECKPOINT)


@pytest.mark.parametrize("step", [1, 7, 14, 20, 29, 34])
def test_a_training_killed_amid_an_epoch_goes_on_from_that_very_step(
    step: int, digits: Resident, tmp_path: Path
) -> None:
    """Digits has fifteen steps an epoch here, and as often as before a step it is asked whether to stop."""
    alone, resumed, asked_alone, asked = Listener(), Listener(), Asked(), Asked()
    expected = train(FORGETFUL, FEW, digits, folder=tmp_path / "a", emit=alone, should_stop=asked_alone)
    killed_at_step(digits, tmp_path / "b", step)

    result = train(FORGETFUL, FEW, digits, folder=tmp_path / "b", emit=resumed, should_stop=asked)

    assert isinstance(expected, Result)
    assert isinstance(result, Result)
    assert (result.test_accuracy, result.test_loss) == (expected.test_accuracy, expected.test_loss)
    assert whole(resumed.of(EpochMetrics)) == whole(alone.of(EpochMetrics))
    same_end(tmp_path / "a", tmp_path / "b")
    done_twice = asked.times - (asked_alone.times - step)
    assert done_twice <= 3


@pytest.mark.parametrize("moment", [0, 1, 13, 14, 27, 30, 44])
def test_a_paused_training_goes_on_where_it_was(moment: int, digits: Resident, tmp_path: Path) -> None:
    """Before the first step, within epochs, and while it is evaluated or tested."""
    train(FORGETFUL, FEW, digits, folder=tmp_path / "a", emit=Listener(), should_stop=never)
    asked = iter(range(1000))
    pause = train(
        FORGETFUL,
        FEW,
        digits,
        folder=tmp_path / "b",
        emit=Listener(),
        should_stop=never,
        should_pause=lambda: next(asked) >= moment,
    )
    assert isinstance(pause, Stopped)
    random.random()
    np.random.rand()

    result = train(FORGETFUL, FEW, digits, folder=tmp_path / "b", emit=Listener(), should_stop=never)

    assert isinstance(result, Result)
    same_end(tmp_path / "a", tmp_path / "b")


def test_every_random_generator_goes_on_where_it_was(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(network.parameters())

    def draw() -> list[float]:
        return [random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn(), torch.rand(1).item()]

    draw()  # of the pairs that the normal distributions make, one each is left over
    save_checkpoint(tmp_path, "snapshot", network, optimizer, TrainingHistory())
    expected = draw()

    assert load_checkpoint(tmp_path, "snapshot", network, optimizer) is not None

    assert draw() == expected


def damaged(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    match how:
        case "cut short":
            del content[len(content) // 2 :]
        case "emptied":
            content.clear()
        case "one bit of the weights":
            content[-1] ^= 1
        case "one digit of the metrics":
            place = content.index(b"validation_loss") + len(b'validation_loss\\":0.')
            content[place] = ord("1") if content[place] != ord("1") else ord("2")
        case "a block that was never written":
            content[-512:] = bytes(512)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "how",
    ["cut short", "emptied", "one bit of the weights", "one digit of the metrics", "a block that was never written"],
)
def test_the_checkpoint_before_a_torn_one_is_taken(how: str, digits: Resident, tmp_path: Path) -> None:
    train(FORGETFUL, FEW, digits, folder=tmp_path / "a", emit=Listener(), should_stop=never)
    killed_after(digits, tmp_path / "b", 2)
    damaged(tmp_path / "b" / CHECKPOINT, how)
    heard = Listener()

    train(FORGETFUL, FEW, digits, folder=tmp_path / "b", emit=heard, should_stop=never)

    assert heard.of(Started)[0].resumed_epoch == 1
    same_end(tmp_path / "a", tmp_path / "b")


def test_a_torn_checkpoint_never_takes_the_place_of_the_one_before(digits: Resident, tmp_path: Path) -> None:
    killed_after(digits, tmp_path, 2)
    damaged(tmp_path / CHECKPOINT, "cut short")
    before = (tmp_path / BEFORE).read_bytes()

    train(FORGETFUL, FEW, digits, folder=tmp_path, emit=Listener(), should_stop=lambda: True)

    assert not (tmp_path / CHECKPOINT).exists()
    assert (tmp_path / BEFORE).read_bytes() == before


def test_a_death_between_the_two_renames_loses_one_checkpoint_at_most(digits: Resident, tmp_path: Path) -> None:
    killed_after(digits, tmp_path, 2)
    (tmp_path / CHECKPOINT).replace(tmp_path / BEFORE)
    heard = Listener()

    train(FORGETFUL, FEW, digits, folder=tmp_path, emit=heard, should_stop=never)

    assert heard.of(Started)[0].resumed_epoch == 2


def test_weights_lost_after_the_checkpoint_are_written_again(digits: Resident, tmp_path: Path) -> None:
    killed_after(digits, tmp_path, 2)
    before = read_tensors(tmp_path / WEIGHTS)[0]
    (tmp_path / WEIGHTS).unlink()

    train(FORGETFUL, FEW, digits, folder=tmp_path, emit=Listener(), should_stop=lambda: True)

    after = read_tensors(tmp_path / WEIGHTS)[0]
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


@pytest.mark.parametrize(
    ("document", "settings"),
    [(lenet(3, 1), FEW), (FORGETFUL, msgspec.structs.replace(FEW, seed=6))],
    ids=["another document", "another seed"],
)
def test_the_checkpoint_of_something_else_is_not_taken_up(
    document: Any, settings: TrainingSettings, digits: Resident, tmp_path: Path
) -> None:
    killed_after(digits, tmp_path, 1)
    heard = Listener()

    train(document, settings, digits, folder=tmp_path, emit=heard, should_stop=never)

    assert heard.of(Started)[0].resumed_epoch == 0
    assert isinstance(heard.events[1], Progress)


def test_the_checkpoint_of_another_validation_is_not_taken_up(digits: Resident, tmp_path: Path) -> None:
    killed_after(digits, tmp_path, 1)
    heard = Listener()
    own = np.arange(0, 1442, 10, dtype=np.int64)
    arrays = Arrays(digits.train_images, digits.train_labels, digits.test_images, digits.test_labels)
    changed = replace(digits, own_validation=own, hash=content_hash(arrays, own))

    train(FORGETFUL, FEW, changed, folder=tmp_path, emit=heard, should_stop=never)

    assert heard.of(Started)[0].resumed_epoch == 0


@pytest.mark.parametrize("keep", [0, 7, 1000])
def test_a_torn_checkpoint_counts_as_none(keep: int, digits: Resident, tmp_path: Path) -> None:
    killed_after(digits, tmp_path, 1)
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:keep])
    heard = Listener()

    train(FORGETFUL, FEW, digits, folder=tmp_path, emit=heard, should_stop=never)

    assert heard.of(Started)[0].resumed_epoch == 0
