import threading
import tracemalloc
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from scv.blocks.starters import STARTERS
from scv.data.errors import DatasetMissingError
from scv.data.official.catalogue import DATASETS, UnknownDatasetError, find
from scv.data.resident import Resident, is_prepared, open_resident
from scv.ml import vision
from scv.ml.prepare_official import prepare, prepare_official
from scv.ml.train.train import train
from scv.stage import Stage
from scv.training.progress import Result
from scv.training.settings import defaults
from tests.data.official.originals import ALL, Small, cifar10, emnist_letters, letter_f
from tests.ml.conftest import never, place_mnist

NOWHERE = "http://127.0.0.1:9"
"""A mirror where nobody answers."""


@pytest.fixture(params=ALL.values(), ids=ALL)
def small(request: pytest.FixtureRequest) -> Small:
    made: Small = request.param()
    return made


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


def test_what_is_prepared_is_opened_without_its_originals(tmp_path: Path) -> None:
    raw = place_mnist(tmp_path)
    stages: list[Stage] = []
    first = prepare(tmp_path, "mnist", stages.append)
    for file in raw.iterdir():
        file.unlink()

    second = prepare(tmp_path, "mnist", stages.append)

    assert first.hash == second.hash
    assert [str(stage.message) for stage in stages] == ["Converting MNIST"]
    assert second.class_names == tuple("0123456789")


def test_without_files_and_internet_it_says_what_to_put_where(tmp_path: Path) -> None:
    stages: list[Stage] = []
    with pytest.raises(DatasetMissingError) as caught:
        prepare_official(tmp_path, find("mnist"), stages.append, mirror=NOWHERE)

    message = str(caught.value.message)
    assert str(tmp_path / "MNIST" / "raw") in message
    assert "train-images-idx3-ubyte" in message
    assert "t10k-labels-idx1-ubyte" in message
    assert [str(stage.message) for stage in stages] == ["Downloading MNIST"]
    assert not is_prepared(tmp_path, "mnist")


@pytest.mark.parametrize("keep", [0, 4, 100_000])
def test_damaged_files_are_said_to_be_damaged(keep: int, tmp_path: Path) -> None:
    images = place_mnist(tmp_path) / "train-images-idx3-ubyte"
    content = images.read_bytes()
    images.unlink()
    images.write_bytes(content[:keep])

    with pytest.raises(DatasetMissingError, match="damaged"):
        prepare(tmp_path, "mnist")
    assert not is_prepared(tmp_path, "mnist")


def test_files_of_another_dataset_are_refused(tmp_path: Path) -> None:
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


def test_small_ones_in_the_original_formats_are_read_by_torchvision(tmp_path: Path, small: Small) -> None:
    small.in_place(tmp_path)
    resident = prepare_official(tmp_path, small.info, mirror=NOWHERE)

    assert np.array_equal(resident.train_images, small.images["train"])
    assert np.array_equal(resident.train_labels, small.labels["train"])
    assert np.array_equal(resident.test_images, small.images["test"])
    assert np.array_equal(resident.test_labels, small.labels["test"])
    assert resident.class_names == small.info.class_names
    assert resident.mean == pytest.approx((small.images["train"] / 255).mean((0, 2, 3)))
    assert resident.probe_images.shape == (100, *small.info.shape)


def test_the_scripts_of_the_others_load_the_same_too(
    tmp_path: Path, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.in_place(tmp_path)
    files = [[original.name, original.md5] for original in small.info.originals]
    if small.info.loader == "CIFAR10":  # whose classes know the hashes of the large files
        monkeypatch.setattr(vision.datasets.CIFAR10, "train_list", files[:5])
        monkeypatch.setattr(vision.datasets.CIFAR10, "test_list", files[5:6])
        monkeypatch.setitem(vision.datasets.CIFAR10.meta, "md5", files[6][1])
    if small.info.loader == "SVHN":
        of_split = {part: ["", *file] for part, file in zip(("train", "test"), files, strict=True)}
        monkeypatch.setattr(vision.datasets.SVHN, "split_list", of_split)
    names = {"torch": torch}
    exec(small.info.script_loader, names)  # noqa: S102 - our own code is what is tested

    loaded = names["load_data"](tmp_path)  # type: ignore[operator]

    for tensor, array in zip(
        loaded,
        (small.images["train"], small.labels["train"], small.images["test"], small.labels["test"]),
        strict=True,
    ):
        assert tensor.is_contiguous()
        assert tensor.dtype == (torch.uint8 if array.ndim == 4 else torch.int64)
        assert np.array_equal(tensor.numpy(), array)


def test_the_letters_stand_upright(tmp_path: Path) -> None:
    """In the original files an F lies on its back: rows and columns are exchanged."""
    small = emnist_letters()
    stored = small.files["emnist-letters-train-images-idx3-ubyte"][16 : 16 + 784]
    assert np.array_equal(np.frombuffer(stored, np.uint8).reshape(28, 28), letter_f().T)
    assert small.files["emnist-letters-train-labels-idx1-ubyte"][8:10] == b"\x01\x02"

    small.in_place(tmp_path)
    resident = prepare_official(tmp_path, small.info)

    assert np.array_equal(resident.train_images[0, 0], letter_f())
    assert resident.train_labels[:2].tolist() == [0, 1]
    assert resident.class_names[:2] == ("A", "B")


def test_colour_photographs_need_no_more_memory_than_their_own_bytes(tmp_path: Path) -> None:
    small = cifar10(per_batch=2000)  # 31 MB
    small.in_place(tmp_path)
    size = small.info.bytes
    images = small.images["train"]
    small.files.clear()
    tracemalloc.start()
    try:
        resident = prepare_official(tmp_path, small.info)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert np.array_equal(resident.train_images, images)
    assert peak < size


def test_a_form_of_an_earlier_program_is_made_anew(tmp_path: Path) -> None:
    before = prepare(tmp_path, "digits")
    folder = tmp_path / "datasets" / "digits"
    (folder / "probes.npy").unlink()
    meta = (folder / "meta.json").read_text().replace('"format":2', '"format":1')
    (folder / "meta.json").write_text(meta)
    assert not is_prepared(tmp_path, "digits")

    after = prepare(tmp_path, "digits")

    assert after.hash == before.hash
    assert np.array_equal(after.probes, open_resident(tmp_path, "digits").probes)


def test_what_a_killed_preparation_left_is_cleared_away(tmp_path: Path, small: Small) -> None:
    small.in_place(tmp_path)
    half = tmp_path / "datasets" / f".{small.info.name}-half"
    half.mkdir(parents=True)
    (half / "train_images.npy").write_bytes(b"half")

    prepare_official(tmp_path, small.info)

    assert not half.exists()


@pytest.mark.parametrize("name", ["fashion-mnist", "emnist-letters"])
def test_labels_of_no_class_are_damage(tmp_path: Path, name: str) -> None:
    small = ALL[name]()
    raw = small.in_place(tmp_path)
    labels = next(raw.glob("*train-labels*"))
    labels.write_bytes(labels.read_bytes()[:-1] + b"\x63")

    with pytest.raises(DatasetMissingError, match="damaged"):
        prepare_official(tmp_path, small.info)
    assert not is_prepared(tmp_path, small.info.name)
    assert labels.exists()


@pytest.mark.parametrize("name", ["emnist-letters", "svhn"])
def test_a_starter_trains_on_letters_and_on_colour(tmp_path: Path, name: str) -> None:
    small = ALL[name]()
    small.in_place(tmp_path)
    resident = prepare_official(tmp_path, small.info)
    document = STARTERS["cnn"].build(small.info.shape, small.info.classes)
    settings = msgspec.structs.replace(defaults(small.info), epochs=1)

    ended = train(
        document, settings, resident, folder=tmp_path, device="cpu", emit=lambda event: None, should_stop=never
    )

    assert isinstance(ended, Result)
    assert 0 <= ended.test_accuracy < 0.5, "there is nothing to learn in noise"
