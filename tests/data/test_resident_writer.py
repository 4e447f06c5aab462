import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from scv.data.resident import Arrays, is_prepared, open_resident
from scv.data.resident_writer import (
    Writer,
    content_hash,
    remove_resident,
    renamed_resident,
    sweep,
    write_resident,
)
from tests.data.test_resident import colourful, with_validation


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


def test_writing_leaves_nothing_else_behind(tmp_path: Path) -> None:
    write_resident(tmp_path, "toy", colourful())
    write_resident(tmp_path, "toy", colourful(1))

    assert [path.name for path in (tmp_path / "datasets").iterdir()] == ["toy"]


def test_pieces_give_what_the_whole_gives(tmp_path: Path) -> None:
    arrays = colourful()
    whole = write_resident(tmp_path, "whole", arrays, ("a", "b", "c", "d"))
    with Writer(tmp_path, "pieces", (3, 4, 5), 80, 12) as writer:
        for start in range(0, 80, 30):
            part = slice(start, start + 30)
            writer.add("train", arrays.train_images[part], arrays.train_labels[part])
        writer.add("test", arrays.test_images, arrays.test_labels)
        pieces = writer.finish(("a", "b", "c", "d"))

    assert (pieces.hash, pieces.mean, pieces.std) == (whole.hash, whole.mean, whole.std)
    assert pieces.class_names == ("a", "b", "c", "d")
    assert np.array_equal(pieces.train_images, arrays.train_images)
    assert pieces.probe_images.shape == (12, 3, 4, 5)


def test_a_conversion_that_was_left_is_no_dataset_and_leaves_nothing(tmp_path: Path) -> None:
    arrays = colourful()
    with Writer(tmp_path, "toy", (3, 4, 5), 81, 12) as writer:
        writer.add("train", arrays.train_images, arrays.train_labels)
        writer.add("test", arrays.test_images, arrays.test_labels)
        with pytest.raises(ValueError, match="80 images instead of 81"):
            writer.finish(("a", "b", "c", "d"))

    assert not is_prepared(tmp_path, "toy")
    assert list((tmp_path / "datasets").iterdir()) == []


def test_what_a_killed_conversion_left_is_swept(tmp_path: Path) -> None:
    write_resident(tmp_path, "toy", colourful())
    for left in (".toy-half", ".other-toy-half"):
        (tmp_path / "datasets" / left).mkdir()
        (tmp_path / "datasets" / left / "train_images.npy").write_bytes(b"half")
    sweep(tmp_path, "toy")

    assert sorted(path.name for path in (tmp_path / "datasets").iterdir()) == [".other-toy-half", "toy"]


@pytest.mark.parametrize("words", ["writer.add('train', images, labels)", "Path.rename = die; writer.finish(('a',))"])
def test_a_conversion_that_is_killed_is_never_taken_for_a_whole_one(tmp_path: Path, words: str) -> None:
    """In the middle, and with all written but the last rename."""
    code = f"""
import os, sys
from pathlib import Path
import numpy as np
from scv.data.resident_writer import Writer
def die(*_): os.kill(os.getpid(), 9)
images, labels = np.zeros((5, 1, 8, 8), np.uint8), np.zeros(5, np.int64)
with Writer(Path(sys.argv[1]), "toy", (1, 8, 8), 10, 5) as writer:
    writer.add("train", images, labels)
    if "finish" in {words!r}:
        writer.add("train", images, labels)
        writer.add("test", images, labels)
    {words}
    die()
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path], check=False, capture_output=True, text=True)

    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not is_prepared(tmp_path, "toy")
    assert [path.name.startswith(".toy-") for path in (tmp_path / "datasets").iterdir()] == [True]
    write_resident(tmp_path, "toy", colourful())
    assert is_prepared(tmp_path, "toy")


def test_images_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    arrays = colourful()
    with Writer(tmp_path, "toy", (3, 4, 5), 80, 12) as writer:
        for images, labels in (
            (arrays.train_images[:, :1], arrays.train_labels),
            (arrays.train_images, arrays.train_labels[:-1]),
            (arrays.train_images.astype(np.float32), arrays.train_labels),
        ):
            with pytest.raises(ValueError, match="images of"):
                writer.add("train", images, labels)  # type: ignore[arg-type]
        writer.add("test", arrays.test_images, arrays.test_labels)
        with pytest.raises(ValueError, match="more than 12"):
            writer.add("test", arrays.test_images, arrays.test_labels)


def test_writing_needs_little_memory_beside_the_images(tmp_path: Path) -> None:
    images = np.zeros((40_000, 1, 28, 28), dtype=np.uint8)  # 31 MB
    labels = np.arange(40_000, dtype=np.int64) % 10
    arrays = Arrays(images, labels, images[:1000], labels[:1000])
    tracemalloc.start()
    try:
        write_resident(tmp_path, "toy", arrays)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < images.nbytes / 2


def test_other_names_for_the_classes_leave_the_arrays_where_they_are(tmp_path: Path) -> None:
    before = with_validation(tmp_path, [1, 5])
    names = ("w", "x", "y", "z")
    folder = tmp_path / "datasets" / "own"
    with renamed_resident(folder, folder.with_name("new"), names) as temporary:
        (temporary / "extra").write_text("x")
    after = open_resident(tmp_path, "new")

    assert (after.class_names, after.hash, after.mean, after.std) == (names, before.hash, before.mean, before.std)
    assert all(file.samefile(folder / file.name) for file in folder.with_name("new").glob("*.npy"))
    assert (folder.with_name("new") / "extra").exists()


def test_a_removed_dataset_leaves_nothing_and_takes_nothing_of_others(tmp_path: Path) -> None:
    for name in ("own-1-1", "own-1-12"):
        write_resident(tmp_path, name, colourful())
        folder = tmp_path / "datasets"
        (folder / f".{name}-half").mkdir()
        (folder / f".{name}.lock").touch()

    remove_resident(tmp_path, "own-1-1")

    left = [path.name for path in (tmp_path / "datasets").iterdir()]
    assert len(left) == 3
    assert all("own-1-12" in name for name in left)
