import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scv.data.resident import (
    Arrays,
    Resident,
    ResidentError,
    in_parts,
    is_prepared,
    open_resident,
    sample_images,
    samples_of_class,
)
from scv.data.resident_writer import (
    content_hash,
    new_resident,
    write_resident,
)
from scv.data.splits import split


def colourful(seed: int = 0) -> Arrays:
    """Random 3×4×5 images of four classes."""
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
    path.write_text(path.read_text().replace('"format":2', '"format":3'))


def come_from_the_past(folder: Path) -> None:
    """Format 1 had no class names and no probes."""
    (folder / "probes.npy").unlink()
    meta = json.loads((folder / "meta.json").read_text())
    del meta["class_names"]
    (folder / "meta.json").write_text(json.dumps(meta | {"format": 1}))


def lose_a_probe(folder: Path) -> None:
    path = folder / "probes.npy"
    np.save(path, np.load(path)[:-1])


def probe_what_is_not_there(folder: Path) -> None:
    path = folder / "probes.npy"
    np.save(path, np.load(path) + 1)


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
        come_from_the_past,
        lose_a_probe,
        probe_what_is_not_there,
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


def test_samples_come_class_by_class(tmp_path: Path) -> None:
    resident = write_resident(tmp_path, "toy", colourful())

    samples = sample_images(resident, per_class=2)

    assert samples.shape == (8, 3, 4, 5)
    assert np.array_equal(samples, resident.train_images[[0, 4, 1, 5, 2, 6, 3, 7]])


def test_samples_of_one_class_are_its_first(tmp_path: Path) -> None:
    resident = write_resident(tmp_path, "toy", colourful())

    assert np.array_equal(samples_of_class(resident, 2, 3), resident.train_images[[2, 6, 10]])
    assert len(samples_of_class(resident, 2, 99)) == 20


def with_validation(folder: Path, indices: list[int]) -> Resident:
    """Written by `new_resident`, with images of its own for validation."""
    with new_resident(folder / "datasets" / "own", ("a", "b", "c", "d")) as temporary:
        for field, array in colourful()._asdict().items():
            np.save(temporary / f"{field}.npy", array)
        if indices:
            np.save(temporary / "validation.npy", np.array(indices, dtype=np.int64))
    return open_resident(folder, "own")


def test_what_a_dataset_has_for_validation_validates_and_is_part_of_its_hash(tmp_path: Path) -> None:
    plain = with_validation(tmp_path, [])
    assert plain.own_validation is None
    assert plain.hash == content_hash(colourful())
    assert set(plain.train_parts) == {"train"}

    one, other = with_validation(tmp_path, [1, 5]), with_validation(tmp_path, [1, 6])
    assert len({plain.hash, one.hash, other.hash}) == 3
    assert other.validation.tolist() == [1, 6]
    assert np.flatnonzero(other.train_parts == "val").tolist() == [1, 6]
    parts = other.split(train_percent=50, validation_percent=50)
    assert parts.validation.tolist() == [1, 6]
    assert len(parts.train) == 40


@pytest.mark.parametrize("indices", [[1, 1], [6, 1], [-1, 5], [5, 80]])
def test_a_validation_that_is_not_among_the_training_images_is_no_dataset(tmp_path: Path, indices: list[int]) -> None:
    with pytest.raises(ResidentError, match="its validation is not among its training images"):
        with_validation(tmp_path, indices)


def test_a_lost_validation_is_noticed(tmp_path: Path) -> None:
    with_validation(tmp_path, [1, 5])
    (tmp_path / "datasets" / "own" / "validation.npy").unlink()
    with pytest.raises(ResidentError):
        open_resident(tmp_path, "own")


def test_what_was_written_before_there_was_validation_is_still_read(tmp_path: Path) -> None:
    resident = with_validation(tmp_path, [])
    path = tmp_path / "datasets" / "own" / "meta.json"
    meta = json.loads(path.read_text())
    del meta["validation"]
    path.write_text(json.dumps(meta))

    assert open_resident(tmp_path, "own").hash == resident.hash


def test_chosen_images_are_read_in_the_order_of_the_choice(tmp_path: Path) -> None:
    images = write_resident(tmp_path, "toy", colourful()).train_images
    indices = np.array([7, 3, 3, 79], dtype=np.intp)

    assert np.array_equal(np.concatenate(list(in_parts(images, indices))), colourful().train_images[indices])
    assert np.array_equal(np.concatenate(list(in_parts(images))), colourful().train_images)


def test_the_validation_split_is_the_rule(tmp_path: Path) -> None:
    resident = write_resident(tmp_path, "toy", colourful())

    assert np.array_equal(resident.validation, split(resident.train_labels).validation)
