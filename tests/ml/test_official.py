import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from scv.blocks.message import Message
from scv.data.catalogue import DATASETS, UnknownDatasetError
from scv.data.resident import Resident, is_prepared
from scv.ml import vision
from scv.ml.errors import DatasetMissingError
from scv.ml.official import prepare
from tests.ml.conftest import place_mnist


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torchvision look for its files where nobody answers."""
    monkeypatch.setattr(vision.datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])


def test_mnist_is_read_from_its_original_files(mnist: Resident) -> None:
    assert mnist.train_images.shape == (60000, 1, 28, 28)
    assert mnist.test_images.shape == (10000, 1, 28, 28)
    assert mnist.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.mean == pytest.approx([0.1307], abs=1e-4)
    assert mnist.std == pytest.approx([0.3081], abs=1e-4)


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_the_script_loads_the_same_images_in_the_same_order(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    resident: Resident = request.getfixturevalue(name)
    if name == "mnist":
        place_mnist(tmp_path)
    names = {"torch": torch}
    exec(DATASETS[name].script_loader, names)  # noqa: S102 - our own code is what is tested

    loaded = names["load_data"](tmp_path)  # type: ignore[operator]

    fields = ("train_images", "train_labels", "test_images", "test_labels")
    for tensor, field in zip(loaded, fields, strict=True):
        array = getattr(resident, field)
        assert tensor.numpy().dtype == array.dtype
        assert np.array_equal(tensor.numpy(), array)


def test_what_is_prepared_is_opened_without_its_originals(tmp_path: Path, offline: None) -> None:
    raw = place_mnist(tmp_path)
    stages: list[Message] = []
    first = prepare(tmp_path, "mnist", stages.append)
    for file in raw.iterdir():
        file.unlink()

    second = prepare(tmp_path, "mnist", stages.append)

    assert first.hash == second.hash
    assert [str(stage) for stage in stages] == ["Converting MNIST"]


def test_without_files_and_internet_it_says_what_to_put_where(tmp_path: Path, offline: None) -> None:
    stages: list[Message] = []
    with pytest.raises(DatasetMissingError) as caught:
        prepare(tmp_path, "mnist", stages.append)

    message = str(caught.value.message)
    assert str(tmp_path / "MNIST" / "raw") in message
    assert "train-images-idx3-ubyte" in message
    assert "t10k-labels-idx1-ubyte" in message
    assert [str(stage) for stage in stages] == ["Downloading MNIST"]
    assert not is_prepared(tmp_path, "mnist")


@pytest.mark.parametrize("keep", [0, 4, 100_000])
def test_damaged_files_are_said_to_be_damaged(keep: int, tmp_path: Path, offline: None) -> None:
    images = place_mnist(tmp_path) / "train-images-idx3-ubyte"
    content = images.read_bytes()
    images.unlink()
    images.write_bytes(content[:keep])

    with pytest.raises(DatasetMissingError, match="damaged"):
        prepare(tmp_path, "mnist")
    assert not is_prepared(tmp_path, "mnist")


def test_files_of_another_dataset_are_refused(tmp_path: Path, offline: None) -> None:
    raw = place_mnist(tmp_path)
    for part in ("images-idx3-ubyte", "labels-idx1-ubyte"):
        (raw / f"train-{part}").unlink()
        (raw / f"train-{part}").symlink_to((raw / f"t10k-{part}").resolve())

    with pytest.raises(DatasetMissingError, match="damaged"):
        prepare(tmp_path, "mnist")


def test_a_damaged_resident_form_is_made_again(tmp_path: Path) -> None:
    before = prepare(tmp_path, "digits").hash
    (tmp_path / "datasets" / "digits" / "train_images.npy").write_bytes(b"torn")

    assert prepare(tmp_path, "digits").hash == before


def test_several_may_prepare_the_same_dataset_at_once(tmp_path: Path) -> None:
    hashes: list[str] = []
    threads = [threading.Thread(target=lambda: hashes.append(prepare(tmp_path, "digits").hash)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(hashes) == 6
    assert len(set(hashes)) == 1


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownDatasetError):
        prepare(tmp_path, "imagenet")
