import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scv.data.images.decode import decode_image
from scv.data.own.archives import ImagesError
from scv.data.own.importing import ImageOptions, import_images, name_of, prepare_images
from scv.data.own.summary import read_summary
from scv.data.resident import Resident, open_resident
from tests.data.image_files import classes, noise, saved, write_folder, write_zip

SMALL = ImageOptions(size=28)


def imported(source: Path, folder: Path, options: ImageOptions = SMALL, workers: int | None = None) -> Resident:
    import_images(source, folder / "datasets" / "own", options, workers=workers)
    return open_resident(folder, "own")


@pytest.mark.parametrize("color", [True, False])
def test_the_arrays_hold_the_images_in_order_and_a_fifth_is_for_the_test(color: bool, tmp_path: Path) -> None:
    files = classes(3, 12)
    options = ImageOptions(size=30, color=color)
    resident = imported(write_zip(tmp_path / "z.zip", files), tmp_path, options)

    channels = 3 if color else 1
    assert resident.shape == (channels, 30, 30)
    expected = {"train": [], "test": []}
    for number, name in enumerate(sorted(files)):
        part = "test" if number % 12 % 5 == 4 else "train"
        expected[part].append((decode_image(files[name], 30, channels, "crop"), number // 12))
    for images, labels, part in (
        (resident.train_images, resident.train_labels, "train"),
        (resident.test_images, resident.test_labels, "test"),
    ):
        assert [(image.tobytes(), label) for image, label in zip(images, labels, strict=True)] == expected[part]
    pixels = resident.train_images / 255
    assert resident.mean == pytest.approx(pixels.mean((0, 2, 3)))
    assert resident.std == pytest.approx(pixels.std((0, 2, 3)))


def test_a_zip_and_its_folder_and_any_number_of_workers_give_the_same(tmp_path: Path) -> None:
    files = classes(3, 60)
    archive, folder = write_zip(tmp_path / "z.zip", files), write_folder(tmp_path / "z", files)
    hashes = {imported(source, tmp_path, workers=workers).hash for source in (archive, folder) for workers in (1, 2, 5)}

    assert len(hashes) == 1


@settings(max_examples=15, deadline=None)
@given(st.randoms())
def test_the_order_in_which_files_were_packed_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, random: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("order")
    files = list(classes(2, 7).items())
    first = imported(write_zip(folder / "1.zip", dict(files)), folder).hash
    random.shuffle(files)  # type: ignore[attr-defined]

    assert imported(write_zip(folder / "2.zip", dict(files)), folder).hash == first


def test_the_summary_says_what_was_left_out_and_why(tmp_path: Path) -> None:
    same = saved(noise(77))
    files = classes(2, 5) | {
        "README.md": b"x",
        "1.png": saved(noise(1)),
        "__MACOSX/a/._000.png": b"x",
        "a/.DS_Store": b"x",
        "a/empty.png": b"",
        "a/program.png": b"\x7fELF" + bytes(100),
        "a/drawing.svg": b"<svg/>",
        "a/inner.zip": b"PK",
        "a/bad\x07name.png": b"x",
        "a/thin.png": saved(noise(2, (7, 50))),
        "a/x.png": same,
        "b/y.png": same,
        "b/z.bmp": saved(noise(77), "BMP"),
        **{f"b/torn{number}.png": saved(noise(number))[:90] for number in range(8)},
    }
    import_images(write_zip(tmp_path / "z.zip", files), tmp_path / "own", SMALL)
    summary = read_summary(tmp_path / "own")

    assert (summary.class_names, summary.train, summary.test) == (["a", "b"], [5, 4], [1, 1])
    assert {reason: (names.count, names.first) for reason, names in summary.refused.items()} == {
        "hidden": (2, ["__MACOSX/a/._000.png", "a/.DS_Store"]),
        "name": (1, ["a/bad\ufffdname.png"]),
        "kind": (3, ["README.md", "a/drawing.svg", "a/inner.zip"]),
        "outside": (1, ["1.png"]),
        "empty": (1, ["a/empty.png"]),
        "unreadable": (9, ["a/program.png", *(f"b/torn{number}.png" for number in range(4))]),
        "small": (1, ["a/thin.png"]),
        "duplicate": (2, ["b/y.png", "b/z.bmp"]),
    }


def test_parts_that_the_source_has_are_kept_and_what_both_have_is_told(tmp_path: Path) -> None:
    learned, tested = classes(2, 6), classes(2, 3, start=500)
    files = {f"set/train/{name}": data for name, data in learned.items()}
    files |= {f"set/test/{name}": data for name, data in tested.items()}
    files |= {"set/val/a/1.png": saved(noise(9000)), "set/test/b/again.png": learned["b/000.png"]}
    summary = import_images(write_zip(tmp_path / "z.zip", files), tmp_path / "own", SMALL)

    assert (summary.train, summary.validation, summary.test) == ([6, 6], [1, 0], [3, 4])
    assert (summary.repeated.count, summary.repeated.first) == (1, ["set/test/b/again.png"])
    assert summary.refused == {}


def test_images_for_validation_lie_among_those_to_learn_from_in_the_order_of_their_names(tmp_path: Path) -> None:
    files = {
        f"{part}/{name}": data
        for part, start in (("train", 0), ("val", 300), ("test", 600))
        for name, data in classes(2, 3, start=start).items()
    }
    resident = imported(write_zip(tmp_path / "z.zip", files), tmp_path)

    assert resident.train_parts.tolist() == ["train", "val"] * 6
    assert resident.validation.tolist() == [1, 3, 5, 7, 9, 11]
    without = imported(
        write_zip(tmp_path / "y.zip", {n.replace("val", "train/"): d for n, d in files.items()}), tmp_path
    )
    assert without.own_validation is None
    assert without.hash != resident.hash


def test_images_for_validation_of_which_none_can_be_read_are_refused(tmp_path: Path) -> None:
    files = {f"{part}/{name}": data for part in ("train", "test") for name, data in classes(2, 3).items()}
    with pytest.raises(ImagesError, match="no readable validation image"):
        imported(write_zip(tmp_path / "z.zip", files | {"val/a/1.png": b"torn"}), tmp_path)


@pytest.mark.parametrize("size", [27, 225, -1])
def test_another_size_than_a_network_sees_is_refused(size: int) -> None:
    with pytest.raises(ImagesError, match="28 to 224 pixels"):
        ImageOptions(size=size)


def test_what_is_raised_from_the_progress_ends_it_without_a_trace(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "z.zip", classes(2, 200))
    heard = []

    def stop(done: int, total: int) -> None:
        heard.append((done, total))
        if len(heard) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_images(source, tmp_path / "datasets" / "own", SMALL, stop)
    assert heard == [(64, 400), (128, 400), (192, 400)]
    assert list((tmp_path / "datasets").iterdir()) == []


def test_a_failure_leaves_what_was_there_before(tmp_path: Path) -> None:
    before = imported(write_zip(tmp_path / "z.zip", classes(2, 5)), tmp_path).hash
    with pytest.raises(ImagesError):
        imported(write_zip(tmp_path / "y.zip", classes(2, 2)), tmp_path)

    assert open_resident(tmp_path, "own").hash == before
    assert [path.name for path in (tmp_path / "datasets").iterdir()] == ["own"]


def test_a_full_disk_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "z.zip", classes(2, 100))
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from scv.data.own.importing import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: import_images(Path(sys.argv[1]), Path(sys.argv[2]), ImageOptions(size=28))\n"
        "except ImagesError as error: print(error)"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(source), str(tmp_path / "datasets" / "own")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout == "The images could not be written: file too large.\n"
    assert done.stderr == ""
    assert list((tmp_path / "datasets").iterdir()) == []


def test_what_is_imported_is_used_again_until_content_or_options_change(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "pets", classes(2, 5))
    calls: list[int] = []

    def prepare(options: ImageOptions = SMALL) -> str:
        return prepare_images(tmp_path, source, options, lambda done, total: calls.append(done))[0].hash

    first = prepare()
    assert prepare() == first
    assert len(calls) == 1
    prepare(ImageOptions(size=28, fit="pad"))
    (source / "a" / "000.png").write_bytes(saved(noise(123)))
    assert prepare() != first
    assert len(calls) == 3


def test_a_spoilt_copy_is_written_anew(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "z.zip", classes(2, 5))
    resident, summary = prepare_images(tmp_path, source, SMALL)
    (tmp_path / "datasets" / resident.name / "import.json").write_text("{")

    again, told = prepare_images(tmp_path, source, SMALL)
    assert (again.hash, told) == (resident.hash, summary)


def test_what_a_killed_process_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    files = classes(2, 1500)
    source = write_zip(tmp_path / "z.zip", files, zipfile.ZIP_STORED)
    code = (
        "import sys; from pathlib import Path\n"
        "from scv.data.own.importing import *\n"
        "prepare_images(Path(sys.argv[1]), Path(sys.argv[2]), ImageOptions(size=28),\n"
        "    lambda done, total: print(done, flush=True))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(source)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    name = name_of(source, SMALL)
    assert any(path.is_dir() for path in (tmp_path / "datasets").glob(f".{name}-*"))

    prepare_images(tmp_path, source, SMALL)
    assert sorted(path.name for path in (tmp_path / "datasets").iterdir()) == [f".{name}.lock", name]


def test_memory_holds_a_few_images_and_not_the_archive(tmp_path: Path) -> None:
    """120 images of 1,000 × 1,000 are 360 MB decoded; the process may take 200 more than at its start."""
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for number in range(120):
            archive.writestr(f"{number % 2}/{number}.bmp", saved(noise(number, (1000, 1000)), "BMP"))
    code = (
        "import json, resource, sys; from pathlib import Path\n"
        "from scv.data.own.importing import *\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak()\n"
        "s = import_images(Path(sys.argv[1]), Path(sys.argv[2]), ImageOptions(size=224))\n"
        "print(json.dumps([sum(s.train) + sum(s.test), peak() - before]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "z.zip"), str(tmp_path / "own")]
    count, grown = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert count == 120
    assert grown < 200
