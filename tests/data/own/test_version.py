import json
import zipfile

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from scv.data.own.archives import ImagesError
from scv.data.own.importing import ImageOptions, import_images
from scv.data.own.version import VersionPlan, make_version
from scv.data.resident import open_resident
from tests.data.image_files import classes, noise, saved
from tests.data.own.versions import SMALL, Services, check_invariants, contents, parted, run
from tests.examples import examples


def test_the_first_version_is_what_an_import_gives(house: Services) -> None:
    resident, summary = house.make(classes(2, 12))
    imported = import_images(house.folder / "source-0", house.folder / "datasets" / "plain", SMALL)

    assert resident.hash == open_resident(house.folder, "plain").hash
    assert summary == imported
    check_invariants(resident, summary, house.folder)


@pytest.mark.parametrize("color", [True, False])
def test_new_images_come_after_those_that_stay_class_by_class(color: bool, house: Services) -> None:
    options = ImageOptions(size=28, color=color)
    before, _ = house.make(classes(2, 12), options=options)
    after, summary = house.make(classes(3, 7, start=100), options=options)
    old, new = contents(before), contents(after)

    assert (after.class_names, summary.train, summary.test) == (("a", "b", "c"), [16, 16, 6], [3, 3, 1])
    for (part, name), images in old.items():
        assert new[part, name][: len(images)] == images
    check_invariants(after, summary, house.folder)


def test_every_fifth_of_a_class_is_for_the_test_counting_those_that_are_there(house: Services) -> None:
    house.make(classes(2, 7))
    _, summary = house.make(classes(1, 4, start=100) | {"b/new.png": saved(noise(999))})

    assert (summary.train, summary.test) == ([9, 7], [2, 1])


def test_adding_the_same_zip_twice_adds_nothing(house: Services) -> None:
    before, _ = house.make(classes(2, 12))
    after, summary = house.make(classes(2, 12))

    assert after.hash == before.hash
    assert summary.refused["duplicate"].count == 24


def test_a_new_image_that_another_class_has_is_a_duplicate_and_one_with_a_part_is_told(house: Services) -> None:
    files = classes(2, 6)
    house.make(files)
    _, summary = house.make({"a/again.png": files["b/000.png"], "a/tested.png": files["b/004.png"]})
    assert summary.refused["duplicate"].first == ["a/again.png", "a/tested.png"]

    extra = parted(1, "train", "val", "test") | {"test/a/again.png": files["b/000.png"]}
    after, summary = house.make(extra)
    assert (summary.train, summary.validation, summary.test) == ([5, 5], [1, 1], [3, 2])
    assert summary.repeated.first == ["test/a/again.png"]
    check_invariants(after, summary, house.folder)


def test_later_versions_know_what_more_than_one_part_has(house: Services) -> None:
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


def test_classes_that_are_given_one_name_become_one(house: Services) -> None:
    before, _ = house.make(classes(3, 7))
    after, summary = house.make(None, renamed={"c": "a"})
    old, new = contents(before), contents(after)

    assert (after.class_names, summary.train, summary.test) == (("a", "b"), [12, 6], [2, 1])
    for part in ("train", "test"):
        assert new[part, "a"] == old[part, "a"] + old[part, "c"]
        assert new[part, "b"] == old[part, "b"]
    check_invariants(after, summary, house.folder)


def test_other_names_change_the_order_of_classes_and_two_may_be_exchanged(house: Services) -> None:
    before, _ = house.make(classes(3, 6))
    after, summary = house.make(None, renamed={"a": "c", "c": "a", "b": " 강아지 "})
    old, new = contents(before), contents(after)

    assert after.class_names == ("a", "c", "강아지")
    for part in ("train", "test"):
        assert [new[part, name] for name in after.class_names] == [old[part, name] for name in ("c", "a", "b")]
    check_invariants(after, summary, house.folder)


def test_names_that_leave_the_order_as_it_is_copy_no_image(house: Services) -> None:
    before, _ = house.make(parted(6, "train", "val", "test"))
    after, summary = house.make(None, renamed={"b": "z"})

    assert (after.class_names, after.hash) == (("a", "z"), before.hash)
    assert after.own_validation is not None
    for file in house.path(1).glob("*.npy"):
        assert file.samefile(house.path(2) / file.name)
    check_invariants(after, summary, house.folder)


def test_dropped_images_are_gone_and_the_others_stay_in_their_part(house: Services) -> None:
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


def test_without_its_images_for_validation_a_dataset_leaves_that_to_the_settings(house: Services) -> None:
    before, _ = house.make(parted(6, "train", "val", "test"))
    after, summary = house.make(None, train=tuple(map(int, before.validation)))

    assert after.own_validation is None
    assert summary.validation == [0, 0]
    check_invariants(after, summary, house.folder)


def test_a_class_of_which_nothing_is_left_is_gone_unless_it_gets_new_images(house: Services) -> None:
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


def test_folders_of_a_draft_are_classes_whatever_they_are_called_and_one_may_be_enough(house: Services) -> None:
    before, _ = house.make(
        {name.replace("a/", "train/").replace("b/", "test/"): data for name, data in classes(2, 5).items()}, folder=True
    )
    assert before.class_names == ("test", "train")

    after, summary = house.make(
        {"val/1.png": saved(noise(1)), **{f"val/{n}.png": saved(noise(n)) for n in range(9)}}, folder=True
    )
    assert (after.class_names, summary.train, summary.test) == (("test", "train", "val"), [4, 4, 8], [1, 1, 1])
    check_invariants(after, summary, house.folder)


def test_progress_ends_with_all_images(house: Services) -> None:
    house.make(classes(2, 100))
    heard: list[int] = []
    house.make(classes(1, 100, start=200), progress=lambda done, total: heard.append(done))

    assert heard == sorted(heard)
    assert heard[-1] == 300


def test_memory_holds_a_few_images_and_not_the_version_before(house: Services) -> None:
    """400 images of 224 × 224 and 400 new ones, 120 MB in all: the process may take 90 more than at its start."""
    options = ImageOptions(size=224)
    for number, start in enumerate((0, 200)):
        with zipfile.ZipFile(house.folder / f"{number}.zip", "w") as archive:
            for count in range(2 * start, 2 * start + 400):
                archive.writestr(f"{count % 2}/{count}.bmp", saved(noise(count, (224, 224)), "BMP"))
    first = VersionPlan(target="own-1-1", options=options, source=str(house.folder / "0.zip"))
    make_version(house.folder, first)
    code = (
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak()\n"
        "options = ImageOptions(size=224)\n"
        "plan = VersionPlan(target='own-1-2', previous='own-1-1', options=options, source=sys.argv[2])\n"
        "s = make_version(Path(sys.argv[1]), plan)\n"
        "print(json.dumps([sum(s.train) + sum(s.test), peak() - before]))"
    )
    count, grown = json.loads(run(code, str(house.folder), str(house.folder / "1.zip")))
    assert count == 800
    assert grown < 90


POOL = [saved(noise(seed, (16, 16))) for seed in range(60)]


@settings(max_examples=examples(8), deadline=None)
@given(st.data())
def test_any_chain_of_versions_keeps_the_invariants(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    house = Services(tmp_path_factory.mktemp("chain"))
    for _ in range(data.draw(st.integers(1, 4), label="versions")):
        parts = data.draw(st.sampled_from([[""], ["train/", "test/"], ["train/", "val/", "test/"]]))
        files: dict[str, bytes] | None = {
            f"{part}{name}/{number}.png": POOL[number]
            for part in parts
            for name in data.draw(st.sets(st.sampled_from("abcd"), min_size=2), label="classes")
            for number in data.draw(st.sets(st.integers(0, 59), min_size=8, max_size=12), label="images")
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
        except ImagesError:
            event("refused")
            assert set(house.left()) - {"again"} == {f"own-1-{number + 1}" for number in range(house.version)}
            continue
        check_invariants(resident, summary, house.folder)
        event(f"made version {house.version}")
