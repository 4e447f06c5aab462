from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scv.data.resident import (
    Arrays,
    ResidentError,
    content_hash,
    is_prepared,
    open_resident,
    sample_images,
    write_resident,
)


def colourful(seed: int = 0) -> Arrays:
    """Random 3×4×5 pictures of four classes."""
    random = np.random.default_rng(seed)
    return Arrays(
        random.integers(0, 256, (80, 3, 4, 5), dtype=np.uint8),
        np.arange(80, dtype=np.int64) % 4,
        random.integers(0, 256, (12, 3, 4, 5), dtype=np.uint8),
        np.arange(12, dtype=np.int64) % 4,
    )


def test_what_is_written_is_opened(tmp_path: Path) -> None:
    arrays = colourful()
    write_resident(tmp_path, "toy", arrays)

    opened = open_resident(tmp_path, "toy")

    for field, array in arrays._asdict().items():
        assert np.array_equal(getattr(opened, field), array)
        assert getattr(opened, field).dtype == array.dtype
    assert opened.name == "toy"
    assert opened.shape == (3, 4, 5)
    assert opened.classes == 4


def test_images_are_mapped_and_cannot_be_changed(tmp_path: Path) -> None:
    resident = write_resident(tmp_path, "toy", colourful())

    assert isinstance(resident.train_images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        resident.train_images[0] = 0


def test_mean_and_deviation_are_those_of_the_training_pixels(tmp_path: Path) -> None:
    arrays = colourful()
    resident = write_resident(tmp_path, "toy", arrays)

    pixels = arrays.train_images / 255
    assert resident.mean == pytest.approx(pixels.mean((0, 2, 3)), abs=1e-12)
    assert resident.std == pytest.approx(pixels.std((0, 2, 3)), abs=1e-12)


@pytest.mark.parametrize("field", Arrays._fields)
def test_the_hash_changes_with_any_number(field: str) -> None:
    arrays = colourful()
    before = content_hash(arrays)
    changed = getattr(arrays, field).copy()
    changed.flat[-1] ^= 1

    assert content_hash(arrays._replace(**{field: changed})) != before


def test_the_hash_is_of_the_content_and_not_of_its_place_in_memory(tmp_path: Path) -> None:
    arrays = colourful()
    strided = arrays._replace(train_images=np.asfortranarray(arrays.train_images))

    assert content_hash(strided) == write_resident(tmp_path, "toy", arrays).hash


def test_nothing_is_prepared_in_an_empty_folder(tmp_path: Path) -> None:
    assert not is_prepared(tmp_path, "toy")
    with pytest.raises(ResidentError):
        open_resident(tmp_path, "toy")


def cut_an_array_short(folder: Path) -> None:
    path = folder / "train_images.npy"
    path.write_bytes(path.read_bytes()[:-1])


def take_an_array_away(folder: Path) -> None:
    (folder / "test_labels.npy").unlink()


def spoil_the_description(folder: Path) -> None:
    (folder / "meta.json").write_text("{")


def come_from_the_future(folder: Path) -> None:
    path = folder / "meta.json"
    path.write_text(path.read_text().replace('"format":1', '"format":2'))


def empty_an_array(folder: Path) -> None:
    (folder / "train_labels.npy").write_bytes(b"")


def put_an_archive_in_its_place(folder: Path) -> None:
    with (folder / "train_labels.npy").open("wb") as file:
        np.savez(file, np.zeros(3))


def put_half_an_archive_in_its_place(folder: Path) -> None:
    (folder / "train_labels.npy").write_bytes(b"PK\x03\x04 and no more")


def change_a_type(folder: Path) -> None:
    path = folder / "train_labels.npy"
    np.save(path, np.load(path).astype(np.int32))


def drop_some_labels(folder: Path) -> None:
    path = folder / "test_labels.npy"
    np.save(path, np.load(path)[:-1])


def mislabel(folder: Path) -> None:
    path = folder / "test_labels.npy"
    labels = np.load(path)
    labels[0] = 99
    np.save(path, labels)


def flatten_the_images(folder: Path) -> None:
    path = folder / "test_images.npy"
    images = np.load(path)
    np.save(path, images.reshape(len(images), -1))


def become_a_file(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("not a folder")


@pytest.mark.parametrize(
    "damage",
    [
        cut_an_array_short,
        take_an_array_away,
        spoil_the_description,
        come_from_the_future,
        empty_an_array,
        put_an_archive_in_its_place,
        put_half_an_archive_in_its_place,
        change_a_type,
        drop_some_labels,
        mislabel,
        flatten_the_images,
        become_a_file,
    ],
)
def test_a_damaged_form_is_not_prepared_and_can_be_written_again(tmp_path: Path, damage: Any) -> None:
    before = write_resident(tmp_path, "toy", colourful())
    damage(tmp_path / "datasets" / "toy")

    assert not is_prepared(tmp_path, "toy")
    assert write_resident(tmp_path, "toy", colourful()).hash == before.hash


def test_writing_leaves_nothing_else_behind(tmp_path: Path) -> None:
    write_resident(tmp_path, "toy", colourful())
    write_resident(tmp_path, "toy", colourful(1))

    assert [path.name for path in (tmp_path / "datasets").iterdir()] == ["toy"]


def test_samples_come_class_by_class(tmp_path: Path) -> None:
    resident = write_resident(tmp_path, "toy", colourful())

    samples = sample_images(resident, per_class=2)

    assert samples.shape == (8, 3, 4, 5)
    assert np.array_equal(samples, resident.train_images[[0, 4, 1, 5, 2, 6, 3, 7]])
