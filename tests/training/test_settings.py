"""Snapshots of settings stay what they were, and new ones have all fields."""

import msgspec
import pytest

from scv.data.official.catalogue import DATASETS, find
from scv.training.optimizers import OPTIMIZERS
from scv.training.settings import FIELDS, TrainingSettings, defaults, lower_rate


def test_a_snapshot_of_an_older_version_means_what_it_meant() -> None:
    old = b'{"epochs":7,"batch_size":32,"learning_rate":0.002,"seed":4}'
    read = msgspec.json.decode(old, type=TrainingSettings)

    assert read == TrainingSettings(epochs=7, batch_size=32, learning_rate=0.002, seed=4)
    assert (read.optimizer, read.schedule, read.validation_percent, read.train_percent) == (
        "Adam",
        "one-cycle",
        10,
        100,
    )
    assert not any((read.weight_decay, read.label_smoothing, read.shift, read.flip, read.patience))


def test_every_setting_is_a_field_with_the_same_default() -> None:
    assert {field.name: field.default for field in FIELDS} == msgspec.structs.asdict(TrainingSettings())


def test_settings_survive_json() -> None:
    settings = TrainingSettings(optimizer="SGD", schedule="step", flip=True, device="cuda", precision="bf16")
    assert msgspec.json.decode(msgspec.json.encode(settings), type=TrainingSettings) == settings


@pytest.mark.parametrize(
    "text", [b'{"optimizer":"LBFGS"}', b'{"schedule":"steep"}', b'{"epochs":"many"}', b'{"colour":1}']
)
def test_what_is_no_setting_is_not_read(text: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(text, type=TrainingSettings)


def test_a_dataset_begins_with_its_own_settings() -> None:
    for dataset in DATASETS.values():
        assert defaults(dataset).epochs == dataset.epochs
        assert defaults(dataset).problems() == []
        assert defaults(dataset).batch_size == 64
    assert [defaults(msgspec.structs.replace(find("mnist"), train_size=size)).batch_size for size in (3, 58, 300)] == [
        1, 8, 64
    ], "an epoch of few images is some steps as well"  # fmt: skip
    assert not defaults(find("mnist")).flip
    assert defaults(msgspec.structs.replace(find("mnist"), mirrored=True)).flip


@pytest.mark.parametrize("rate", [10.0, 0.1, 0.001, 1e-5, 1e-7])
def test_a_lower_rate_is_lower_and_in_range(rate: float) -> None:
    settings = TrainingSettings(learning_rate=rate)
    lower = msgspec.structs.replace(settings, learning_rate=lower_rate(settings))

    assert lower.problems() == []
    assert lower.learning_rate < rate or rate == 1e-7
    assert lower.learning_rate <= OPTIMIZERS["Adam"].rate
