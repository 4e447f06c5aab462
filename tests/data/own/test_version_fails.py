"""What no version can be made of, and what is left where the work on one ends early."""

import os
import signal
import subprocess
import sys

import pytest

from scv.data.own.archives import ImagesError
from scv.data.own.importing import ImageOptions
from tests.data.image_files import classes, noise, saved, write_zip
from tests.data.own.versions import IMPORTS, Services, parted, run


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": (0, 1, 2, 3)}, "The class a would have 3 images; at least 5 are needed."),
        ({"test": tuple(range(2))}, "There would be no test image."),
        ({"train": tuple(range(12)), "test": (0, 1)}, "There is no image left."),
        ({"train": tuple(range(6)), "test": (0,)}, "There is only one class, b."),
        ({"renamed": {"a": "b"}}, "There is only one class, b."),
        ({"renamed": {"x": "b"}}, "There is no class x."),
        ({"renamed": {"a": "B"}}, "differs only in upper and lower case"),
        ({"renamed": {"a": "x/y"}}, "cannot hold / or"),
        ({"train": (12,)}, "There is no image 12 in this dataset."),
        ({"test": (-1,)}, "There is no image -1 in this dataset."),
        ({"options": ImageOptions(size=32)}, "have another size, or other colours"),
        ({"options": ImageOptions(size=28, color=False)}, "have another size, or other colours"),
        ({"files": {"1.png": b""}}, "There must be a folder for each class"),
        ({"files": {"c/1.png": b""}}, "The class c would have 0 images; at least 5 are needed."),
        ({"files": classes(201, 1, start=5)}, "There are 201 classes; at most 200 are allowed."),
    ],
)
def test_what_cannot_be_a_dataset_is_refused_and_leaves_nothing(
    change: dict[str, object], message: str, house: Services
) -> None:
    house.make(classes(2, 7))
    with pytest.raises(ImagesError) as caught:
        house.make(**change)  # type: ignore[arg-type]

    assert message in str(caught.value)
    assert house.left() == ["own-1-1"]


def test_what_keeps_its_own_parts_needs_an_image_to_learn_from_in_each_class(house: Services) -> None:
    house.make(parted(2, "train", "test"))
    resident, _ = house.make(None, train=(0,))
    assert resident.train_labels.tolist() == [0, 1, 1]
    with pytest.raises(ImagesError, match="The class a would have no training image"):
        house.make(None, train=(0,))


def test_the_classes_of_both_together_are_limited(house: Services) -> None:
    house.make(classes(150, 5))
    with pytest.raises(ImagesError, match="There are 201 classes; at most 200 are allowed"):
        house.make({name.replace("/", "+/"): data for name, data in classes(51, 5, start=7).items()})


def test_the_images_of_both_together_are_limited(house: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scv.data.own.importing.MOST_FILES", 20)
    house.make(classes(2, 10))
    house.make(classes(2, 10))
    with pytest.raises(ImagesError, match="There would be 21 images; at most 20 are allowed"):
        house.make({"a/new.png": saved(noise(1))})
    assert house.left() == ["own-1-1", "own-1-2"]


def test_a_place_that_cannot_be_written_to_is_said(house: Services) -> None:
    (house.folder / "datasets").write_text("in the way")
    with pytest.raises(ImagesError, match="The images could not be written: file exists"):
        house.make(classes(2, 5))


def test_a_version_that_is_gone_or_spoilt_is_said(house: Services) -> None:
    house.make(classes(2, 5))
    (house.path(1) / "import.json").write_text("{")
    with pytest.raises(ImagesError, match="that this one is made of cannot be read"):
        house.make(None, renamed={"a": "z"})


@pytest.mark.parametrize("after", [1, 3, 4, 5])
def test_an_interruption_at_any_place_leaves_nothing(after: int, house: Services) -> None:
    house.make(classes(2, 100))
    heard: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        heard.append((done, total))
        if len(heard) == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        house.make(classes(2, 100, start=200), progress=stop)
    assert house.left() == ["own-1-1"]
    assert heard == [(0, 400), (0, 400), (0, 400), (0, 400), (80, 400)][:after]


@pytest.mark.parametrize("limit", [100_000, 600_000])
def test_a_full_disk_is_said_and_nothing_is_left(limit: int, house: Services) -> None:
    house.make(classes(2, 200))
    write_zip(house.folder / "z.zip", classes(2, 100, start=300))
    code = (
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "options = ImageOptions(size=28)\n"
        "plan = VersionPlan(target='own-1-2', previous='own-1-1', options=options, source=sys.argv[2])\n"
        "try: make_version(Path(sys.argv[1]), plan)\n"
        "except ImagesError as error: print(error)"
    )
    assert run(code, str(house.folder), str(house.folder / "z.zip")) == (
        "The images could not be written: file too large.\n"
    )
    assert house.left() == ["own-1-1"]


def test_what_a_killed_process_left_is_swept_by_the_next(house: Services) -> None:
    house.make(classes(2, 1500))
    code = (
        f"{IMPORTS}plan = VersionPlan(target='own-1-2', previous='own-1-1', options=ImageOptions(size=28), "
        "dropped_train=(1,))\n"
        "import time\n"
        "def say(done, total):\n    print(done, flush=True)\n    time.sleep(0.5 * (done > 0))\n"
        "make_version(Path(sys.argv[1]), plan, say)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(house.folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while process.stdout.readline() == "0\n":
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert len(house.left()) == 2

    house.make(None, train=(1,))
    assert house.left() == ["own-1-1", "own-1-2"]
