import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from scv.data.archives import PicturesError
from scv.data.export import export_zip
from scv.data.importing import PictureOptions, import_pictures
from scv.data.making import Making, make_version
from scv.data.resident import Resident, open_resident
from scv.data.summary import Summary, read_summary
from tests.data.pictures import classes, noise, saved, write_folder, write_zip

SMALL = PictureOptions(size=28)


class House:
    """A data folder with versions of one dataset, made one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.version = 0

    def path(self, version: int) -> Path:
        return self.folder / "datasets" / f"own-1-{version}"

    def make(
        self,
        files: dict[str, bytes] | None = None,
        *,
        folder: bool = False,
        options: PictureOptions = SMALL,
        progress: Callable[[int, int], None] | None = None,
        renamed: dict[str, str] | None = None,
        train: tuple[int, ...] = (),
        test: tuple[int, ...] = (),
    ) -> tuple[Resident, Summary]:
        source = self.folder / f"source-{self.version}"
        if files is not None:
            (write_folder if folder else write_zip)(source, files)
        making = Making(
            target=f"own-1-{self.version + 1}",
            previous=f"own-1-{self.version}" if self.version else None,
            options=options,
            source=None if files is None else str(source),
            renamed=renamed or {},
            dropped_train=train,
            dropped_test=test,
        )
        handed = msgspec.json.decode(msgspec.json.encode(making), type=Making)
        summary = make_version(self.folder, handed, progress)
        self.version += 1
        assert summary == read_summary(self.path(self.version))
        return open_resident(self.folder, making.target), summary

    def left(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "datasets").iterdir() if path.suffix != ".lock")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def parted(count: int, *parts: str) -> dict[str, bytes]:
    return {
        f"{part}/{name}": data
        for number, part in enumerate(parts)
        for name, data in classes(2, count, start=100 * number).items()
    }


def contents(resident: Resident) -> dict[tuple[str, str], list[bytes]]:
    """The pixels of each part and class, in order."""
    found: dict[tuple[str, str], list[bytes]] = {}
    for images, labels, parts in (
        (resident.train_images, resident.train_labels, resident.train_parts.tolist()),
        (resident.test_images, resident.test_labels, ["test"] * len(resident.test_labels)),
    ):
        assert (np.diff(labels) >= 0).all()
        for image, label, part in zip(images, labels, parts, strict=True):
            found.setdefault((part, resident.class_names[label]), []).append(image.tobytes())
    return found


def check_invariants(resident: Resident, summary: Summary, folder: Path) -> None:
    """What holds of every version: order, no picture twice in a part, counts, and the way out and in again."""
    found = contents(resident)
    assert list(resident.class_names) == sorted(resident.class_names) == summary.class_names
    for part, counts in (("train", summary.train), ("val", summary.validation), ("test", summary.test)):
        assert [len(found.get((part, name), [])) for name in resident.class_names] == counts
        pictures = [pixels for name in resident.class_names for pixels in found.get((part, name), [])]
        assert len(pictures) == len(set(pictures))
    parts = [
        {pixels for (part, _), pictures in found.items() if part == wanted for pixels in pictures}
        for wanted in ("train", "val", "test")
    ]
    assert summary.repeated.count == sum(map(len, parts)) - len(set().union(*parts))
    export_zip(resident, folder / "out.zip")
    options = PictureOptions(size=resident.shape[1], color=resident.shape[0] == 3)
    again = import_pictures(folder / "out.zip", folder / "datasets" / "again", options)
    assert open_resident(folder, "again").hash == resident.hash
    assert (again.class_names, again.train, again.validation, again.test) == (
        summary.class_names,
        summary.train,
        summary.validation,
        summary.test,
    )
    assert again.repeated.count == summary.repeated.count


def test_the_first_version_is_what_an_import_gives(house: House) -> None:
    resident, summary = house.make(classes(2, 12))
    imported = import_pictures(house.folder / "source-0", house.folder / "datasets" / "plain", SMALL)

    assert resident.hash == open_resident(house.folder, "plain").hash
    assert summary == imported
    check_invariants(resident, summary, house.folder)


@pytest.mark.parametrize("color", [True, False])
def test_new_pictures_come_after_those_that_stay_class_by_class(color: bool, house: House) -> None:
    options = PictureOptions(size=28, color=color)
    before, _ = house.make(classes(2, 12), options=options)
    after, summary = house.make(classes(3, 7, start=100), options=options)
    old, new = contents(before), contents(after)

    assert (after.class_names, summary.train, summary.test) == (("a", "b", "c"), [16, 16, 6], [3, 3, 1])
    for (part, name), pictures in old.items():
        assert new[part, name][: len(pictures)] == pictures
    check_invariants(after, summary, house.folder)


def test_every_fifth_of_a_class_is_for_the_test_counting_those_that_are_there(house: House) -> None:
    house.make(classes(2, 7))
    _, summary = house.make(classes(1, 4, start=100) | {"b/new.png": saved(noise(999))})

    assert (summary.train, summary.test) == ([9, 7], [2, 1])


def test_adding_the_same_zip_twice_adds_nothing(house: House) -> None:
    before, _ = house.make(classes(2, 12))
    after, summary = house.make(classes(2, 12))

    assert after.hash == before.hash
    assert summary.refused["duplicate"].count == 24


def test_a_new_picture_that_another_class_has_is_a_duplicate_and_one_with_a_part_is_told(house: House) -> None:
    files = classes(2, 6)
    house.make(files)
    _, summary = house.make({"a/again.png": files["b/000.png"], "a/tested.png": files["b/004.png"]})
    assert summary.refused["duplicate"].first == ["a/again.png", "a/tested.png"]

    extra = parted(1, "train", "val", "test") | {"test/a/again.png": files["b/000.png"]}
    after, summary = house.make(extra)
    assert (summary.train, summary.validation, summary.test) == ([5, 5], [1, 1], [3, 2])
    assert summary.repeated.first == ["test/a/again.png"]
    check_invariants(after, summary, house.folder)


def test_later_versions_know_what_more_than_one_part_has(house: House) -> None:
    files = parted(6, "train", "val", "test")
    files["test/b/again.png"] = files["train/a/000.png"]
    files["val/b/again.png"] = files["train/a/001.png"]
    house.make(files)
    resident, summary = house.make(None, renamed={"b": "c"})
    assert summary.repeated.first == ["val/c/000013.png", "test/c/000007.png"]
    check_invariants(resident, summary, house.folder)

    index = contents(resident)["train", "a"].index(contents(resident)["test", "c"][6])
    index = [i for i, part in enumerate(resident.train_parts) if part == "train"][index]
    resident, summary = house.make(None, train=(index,))
    assert summary.repeated.first == ["val/c/000013.png"]
    check_invariants(resident, summary, house.folder)


def test_classes_that_are_given_one_name_become_one(house: House) -> None:
    before, _ = house.make(classes(3, 7))
    after, summary = house.make(None, renamed={"c": "a"})
    old, new = contents(before), contents(after)

    assert (after.class_names, summary.train, summary.test) == (("a", "b"), [12, 6], [2, 1])
    for part in ("train", "test"):
        assert new[part, "a"] == old[part, "a"] + old[part, "c"]
        assert new[part, "b"] == old[part, "b"]
    check_invariants(after, summary, house.folder)


def test_other_names_change_the_order_of_classes_and_two_may_be_exchanged(house: House) -> None:
    before, _ = house.make(classes(3, 6))
    after, summary = house.make(None, renamed={"a": "c", "c": "a", "b": " 강아지 "})
    old, new = contents(before), contents(after)

    assert after.class_names == ("a", "c", "강아지")
    for part in ("train", "test"):
        assert [new[part, name] for name in after.class_names] == [old[part, name] for name in ("c", "a", "b")]
    check_invariants(after, summary, house.folder)


def test_names_that_leave_the_order_as_it_is_copy_no_picture(house: House) -> None:
    before, _ = house.make(parted(6, "train", "val", "test"))
    after, summary = house.make(None, renamed={"b": "z"})

    assert (after.class_names, after.hash) == (("a", "z"), before.hash)
    assert after.own_validation is not None
    for file in house.path(1).glob("*.npy"):
        assert file.samefile(house.path(2) / file.name)
    check_invariants(after, summary, house.folder)


def test_dropped_pictures_are_gone_and_the_others_stay_in_their_part(house: House) -> None:
    before, _ = house.make(parted(12, "train", "val", "test"))
    old = contents(before)
    validates = before.validation[3]
    after, summary = house.make(None, train=(0, int(validates)), test=(23,))

    assert (summary.train, summary.validation, summary.test) == ([11, 12], [11, 12], [12, 11])
    new = contents(after)
    assert new["train", "a"] == old["train", "a"][1:]
    assert new["val", "a"] == old["val", "a"][:3] + old["val", "a"][4:]
    assert new["test", "b"] == old["test", "b"][:11]
    check_invariants(after, summary, house.folder)


def test_without_its_pictures_for_validation_a_dataset_leaves_that_to_the_settings(house: House) -> None:
    before, _ = house.make(parted(6, "train", "val", "test"))
    after, summary = house.make(None, train=tuple(map(int, before.validation)))

    assert after.own_validation is None
    assert summary.validation == [0, 0]
    check_invariants(after, summary, house.folder)


def test_a_class_of_which_nothing_is_left_is_gone_unless_it_gets_new_pictures(house: House) -> None:
    before, _ = house.make(classes(3, 6))
    train = tuple(map(int, np.flatnonzero(before.train_labels == 1)))
    test = tuple(map(int, np.flatnonzero(before.test_labels == 1)))
    after, summary = house.make({"b/new.png": saved(noise(1))} | classes(2, 5, start=100), train=train, test=test)
    assert (after.class_names, summary.train) == (("a", "b", "c"), [9, 5, 5])
    check_invariants(after, summary, house.folder)

    train = tuple(map(int, np.flatnonzero(after.train_labels == 1)))
    test = tuple(map(int, np.flatnonzero(after.test_labels == 1)))
    after, summary = house.make(None, train=train, test=test)
    assert after.class_names == ("a", "c")
    check_invariants(after, summary, house.folder)


def test_folders_of_a_draft_are_classes_whatever_they_are_called_and_one_may_be_enough(house: House) -> None:
    before, _ = house.make(
        {name.replace("a/", "train/").replace("b/", "test/"): data for name, data in classes(2, 5).items()}, folder=True
    )
    assert before.class_names == ("test", "train")

    after, summary = house.make(
        {"val/1.png": saved(noise(1)), **{f"val/{n}.png": saved(noise(n)) for n in range(9)}}, folder=True
    )
    assert (after.class_names, summary.train, summary.test) == (("test", "train", "val"), [4, 4, 8], [1, 1, 1])
    check_invariants(after, summary, house.folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": (0, 1, 2, 3)}, "The class a would have 3 pictures; 5 are the least."),
        ({"test": tuple(range(2))}, "There would be no picture for the test."),
        ({"train": tuple(range(12)), "test": (0, 1)}, "There is no picture left."),
        ({"train": tuple(range(6)), "test": (0,)}, "There is only one class, b."),
        ({"renamed": {"a": "b"}}, "There is only one class, b."),
        ({"renamed": {"x": "b"}}, "There is no class x."),
        ({"renamed": {"a": "B"}}, "differs only in upper and lower case"),
        ({"renamed": {"a": "x/y"}}, "cannot hold / or"),
        ({"train": (12,)}, "There is no picture 12 in this dataset."),
        ({"test": (-1,)}, "There is no picture -1 in this dataset."),
        ({"options": PictureOptions(size=32)}, "have another size, or other colours"),
        ({"options": PictureOptions(size=28, color=False)}, "have another size, or other colours"),
        ({"files": {"1.png": b""}}, "There must be a folder for each class"),
        ({"files": {"c/1.png": b""}}, "The class c would have 0 pictures; 5 are the least."),
        ({"files": classes(201, 1, start=5)}, "There are 201 classes; 200 are the most."),
    ],
)
def test_what_cannot_be_a_dataset_is_refused_and_leaves_nothing(
    change: dict[str, object], message: str, house: House
) -> None:
    house.make(classes(2, 7))
    with pytest.raises(PicturesError) as caught:
        house.make(**change)  # type: ignore[arg-type]

    assert message in str(caught.value)
    assert house.left() == ["own-1-1"]


def test_what_keeps_its_own_parts_needs_a_picture_to_learn_from_in_each_class(house: House) -> None:
    house.make(parted(2, "train", "test"))
    resident, _ = house.make(None, train=(0,))
    assert resident.train_labels.tolist() == [0, 1, 1]
    with pytest.raises(PicturesError, match="The class a would have no picture to learn from"):
        house.make(None, train=(0,))


def test_the_classes_of_both_together_are_limited(house: House) -> None:
    house.make(classes(150, 5))
    with pytest.raises(PicturesError, match="There are 201 classes; 200 are the most"):
        house.make({name.replace("/", "+/"): data for name, data in classes(51, 5, start=7).items()})


def test_the_pictures_of_both_together_are_limited(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scv.data.importing.MOST_FILES", 20)
    house.make(classes(2, 10))
    house.make(classes(2, 10))
    with pytest.raises(PicturesError, match="There would be 21 pictures; 20 are the most"):
        house.make({"a/new.png": saved(noise(1))})
    assert house.left() == ["own-1-1", "own-1-2"]


def test_a_place_that_cannot_be_written_to_is_said(house: House) -> None:
    (house.folder / "datasets").write_text("in the way")
    with pytest.raises(PicturesError, match="The pictures could not be written: file exists"):
        house.make(classes(2, 5))


def test_a_version_that_is_gone_or_spoilt_is_said(house: House) -> None:
    house.make(classes(2, 5))
    (house.path(1) / "import.json").write_text("{")
    with pytest.raises(PicturesError, match="that this one is made of cannot be read"):
        house.make(None, renamed={"a": "z"})


@pytest.mark.parametrize("after", [1, 3, 4, 5])
def test_an_interruption_at_any_place_leaves_nothing(after: int, house: House) -> None:
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


def test_progress_ends_with_all_pictures(house: House) -> None:
    house.make(classes(2, 100))
    heard: list[int] = []
    house.make(classes(1, 100, start=200), progress=lambda done, total: heard.append(done))

    assert heard == sorted(heard)
    assert heard[-1] == 300


def run(code: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "error", "-c", f"{IMPORTS}{code}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


IMPORTS = (
    "import json, resource, sys; from pathlib import Path\n"
    "from scv.data.importing import *; from scv.data.making import *\n"
)


@pytest.mark.parametrize("limit", [100_000, 600_000])
def test_a_full_disk_is_said_and_nothing_is_left(limit: int, house: House) -> None:
    house.make(classes(2, 200))
    write_zip(house.folder / "z.zip", classes(2, 100, start=300))
    code = (
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "making = Making(target='own-1-2', previous='own-1-1', options=PictureOptions(size=28), source=sys.argv[2])\n"
        "try: make_version(Path(sys.argv[1]), making)\n"
        "except PicturesError as error: print(error)"
    )
    assert run(code, str(house.folder), str(house.folder / "z.zip")) == (
        "The pictures could not be written: file too large.\n"
    )
    assert house.left() == ["own-1-1"]


def test_what_a_killed_process_left_is_swept_by_the_next(house: House) -> None:
    house.make(classes(2, 1500))
    code = (
        f"{IMPORTS}making = Making(target='own-1-2', previous='own-1-1', options=PictureOptions(size=28), "
        "dropped_train=(1,))\n"
        "import time\n"
        "def say(done, total):\n    print(done, flush=True)\n    time.sleep(0.5 * (done > 0))\n"
        "make_version(Path(sys.argv[1]), making, say)"
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


def test_memory_holds_a_few_pictures_and_not_the_version_before(house: House) -> None:
    """400 pictures of 224 × 224 and 400 new ones, 120 MB in all: the process may take 90 more than at its start."""
    options = PictureOptions(size=224)
    for number, start in enumerate((0, 200)):
        with zipfile.ZipFile(house.folder / f"{number}.zip", "w") as archive:
            for count in range(2 * start, 2 * start + 400):
                archive.writestr(f"{count % 2}/{count}.bmp", saved(noise(count, (224, 224)), "BMP"))
    first = Making(target="own-1-1", options=options, source=str(house.folder / "0.zip"))
    make_version(house.folder, first)
    code = (
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak()\n"
        "making = Making(target='own-1-2', previous='own-1-1', options=PictureOptions(size=224), source=sys.argv[2])\n"
        "s = make_version(Path(sys.argv[1]), making)\n"
        "print(json.dumps([sum(s.train) + sum(s.test), peak() - before]))"
    )
    count, grown = json.loads(run(code, str(house.folder), str(house.folder / "1.zip")))
    assert count == 800
    assert grown < 90


POOL = [saved(noise(seed, (16, 16))) for seed in range(60)]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_chain_of_versions_keeps_the_invariants(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    house = House(tmp_path_factory.mktemp("chain"))
    for _ in range(data.draw(st.integers(1, 4), label="versions")):
        parts = data.draw(st.sampled_from([[""], ["train/", "test/"], ["train/", "val/", "test/"]]))
        files: dict[str, bytes] | None = {
            f"{part}{name}/{number}.png": POOL[number]
            for part in parts
            for name in data.draw(st.sets(st.sampled_from("abcd"), min_size=2), label="classes")
            for number in data.draw(st.sets(st.integers(0, 59), min_size=8, max_size=12), label="pictures")
        }
        change: dict[str, object] = {}
        if house.version:
            files = files if data.draw(st.booleans(), label="new") else None
            before = open_resident(house.folder, f"own-1-{house.version}")
            names = st.sampled_from(before.class_names)
            change["renamed"] = data.draw(st.dictionaries(names, st.sampled_from("abxyz"), max_size=2), label="renamed")
            for part, labels in (("train", before.train_labels), ("test", before.test_labels)):
                drop = st.sets(st.integers(0, len(labels) - 1), max_size=4)
                change[part] = tuple(data.draw(drop, label=f"dropped {part}"))
        try:
            resident, summary = house.make(files, **change)  # type: ignore[arg-type]
        except PicturesError:
            event("refused")
            assert set(house.left()) - {"again"} == {f"own-1-{number + 1}" for number in range(house.version)}
            continue
        check_invariants(resident, summary, house.folder)
        event(f"made version {house.version}")
