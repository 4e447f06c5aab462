import unicodedata
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scv.data.own.layout import Sorting, arranged, name_in_zip, reason_by_name
from scv.data.splits import every_nth_of_each_class

FOLDER = st.text("abcdXYZ 한글", min_size=1, max_size=3)
FILE = st.builds("{}.png".format, st.text("abc012", min_size=1, max_size=4))
NAMES = st.lists(st.builds("{}/{}".format, FOLDER, FILE), min_size=1, max_size=30, unique=True)


@given(NAMES, st.randoms())
def test_the_order_of_the_files_in_the_source_changes_nothing(names: list[str], random: st.DataObject) -> None:
    shuffled = names.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    classes, places = arranged(names)
    again, other = arranged(shuffled)

    assert classes == again
    assert [(names[i], part, label) for i, part, label in places] == [(shuffled[i], p, label) for i, p, label in other]


@given(NAMES)
def test_every_image_in_a_class_folder_is_placed_once_class_by_class(names: list[str]) -> None:
    classes, places = arranged(names)

    assert classes == sorted({name.split("/")[0] for name in names})
    assert sorted(index for index, _, _ in places) == list(range(len(names)))
    assert all(classes[label] == names[index].split("/")[0] for index, _, label in places)
    labels = [label for _, _, label in places]
    assert labels == sorted(labels)


@given(NAMES, st.sampled_from(["pets", "a/b", "train"]))
def test_folders_around_everything_are_passed_over(names: list[str], around: str) -> None:
    assert arranged([f"{around}/{name}" for name in names]) == arranged(names)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60))
def test_without_parts_every_fifth_of_a_class_is_for_the_test_as_with_the_digits(labels: list[int]) -> None:
    sorting = Sorting()
    parts = [sorting.part(str(number).encode(), "", label)[0] for number, label in enumerate(labels)]

    expected = every_nth_of_each_class(np.array(labels, dtype=np.int64), 5)
    assert [part == "test" for part in parts] == list(expected)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=60))
def test_an_image_that_is_there_twice_counts_once_and_moves_no_other(images: list[tuple[int, int]]) -> None:
    sorting, plain = Sorting(), Sorting()
    taken = [part for pixels, label in images if (part := sorting.part(bytes([pixels]), "", label)[0])]
    first = dict(reversed(images))
    once = [(pixels, first[pixels]) for pixels in dict(images)]

    assert taken == [plain.part(bytes([pixels]), "", label)[0] for pixels, label in once]


def test_two_ways_to_write_the_same_letters_are_one_class() -> None:
    names = [f"{unicodedata.normalize(form, '강아지')}/{form}.png" for form in ("NFC", "NFD")]

    assert arranged([*names, "cat/1.png"]) == (["cat", "강아지"], [(2, "", 0), (0, "", 1), (1, "", 1)])


def test_what_has_no_part_of_its_own_is_left_out_where_any_part_has_it() -> None:
    sorting = Sorting()
    for part in ("train", "val", "test"):
        assert sorting.part(part.encode(), part, 0) == (part, False)

    assert [sorting.part(pixels, "", 0)[0] for pixels in (b"train", b"val", b"test")] == [None] * 3
    assert [sorting.part(pixels, "", 0)[0] for pixels in (b"4", b"5", b"6")] == ["train", "test", "train"]
    assert sorting.part(b"6", "val", 0) == ("val", True)


def test_what_both_parts_have_is_taken_twice_and_told() -> None:
    sorting = Sorting()

    assert sorting.part(b"x", "train", 0) == ("train", False)
    assert sorting.part(b"x", "test", 0) == ("test", True)
    assert sorting.part(b"x", "test", 0) == (None, True)


@pytest.mark.parametrize(
    ("tops", "parts"),
    [
        (("train", "test"), ["train", "test"]),
        (("Train", "VAL", "test"), ["train", "val", "test"]),
        (("train", "valid"), ["train", "test"]),
        (("train", "validation", "test"), ["train", "val", "test"]),
    ],
)
def test_folders_named_as_parts_are_the_parts(tops: tuple[str, ...], parts: list[str]) -> None:
    names = [f"{top}/{name}/1.png" for name in ("cat", "dog") for top in tops]
    classes, places = arranged(names)

    assert classes == ["cat", "dog"]
    assert sorted((part, label) for _, part, label in places) == sorted(
        (part, label) for label in (0, 1) for part in parts
    )


def test_a_class_that_happens_to_be_called_train_is_a_class() -> None:
    classes, places = arranged(["train/1.png", "car/1.png", "test/1.png"])

    assert classes == ["car", "test", "train"]
    assert {part for _, part, _ in places} == {""}


def test_images_outside_of_class_folders_are_left_out() -> None:
    assert arranged(["1.png", "a/1.png", "b/c/1.png"])[1] == [(1, "", 0), (2, "", 1)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a/1.png", None),
        ("a/sub/1.JPEG", None),
        ("a/Bild 1\u202fPM.webp", None),
        ("강아지/1.tif", None),
        ("a/.1.png", "hidden"),
        (".git/1.png", "hidden"),
        ("__MACOSX/a/1.png", "hidden"),
        ("a/Thumbs.db", "hidden"),
        ("a/1\n.png", "name"),
        ("a/\x1b[2J.png", "name"),
        ("a/\udcff.png", "name"),
        ("a/1.svg", "kind"),
        ("a/inner.zip", "kind"),
        ("a/png", "kind"),
    ],
)
def test_a_name_says_what_cannot_be_an_image(name: str, reason: str | None) -> None:
    assert reason_by_name(name) == reason


@pytest.mark.parametrize(
    ("flag", "stored", "name"),
    [
        (0x800, "강/1.png", "강/1.png"),
        (0, "강/1.png".encode().decode("cp437"), "강/1.png"),
        (0, "a\\1.png", "a/1.png"),
        (0, "강/1.png", "강/1.png"),
        (0, "강/1.png".encode("cp949").decode("cp437"), "강/1.png"),
        (0, "강아지/사진 (1).jpg".encode("cp949").decode("cp437"), "강아지/사진 (1).jpg"),
        (0, "뷁스러운 것/1.png".encode("cp949").decode("cp437"), "뷁스러운 것/1.png"),
        (0, "été/café.png", "été/café.png"),
        (0, "Äpfel/groß.png", "Äpfel/groß.png"),
        (0, "élan/1.png", "élan/1.png"),
        (0, "./a/./1.png", "a/1.png"),
        (0, ".\\a\\1.png", "a/1.png"),
        (0, "../a/1.png", "../a/1.png"),
    ],
)
def test_a_name_in_a_zip_is_what_its_writer_meant_whether_it_says_so_or_not(flag: int, stored: str, name: str) -> None:
    info = zipfile.ZipInfo(stored)
    info.flag_bits = flag

    assert name_in_zip(info) == name


@pytest.mark.parametrize(
    "names",
    [
        ["pets/cat/1.png", "pets/dog/1.png", "pets/all.png"],
        ["pets/cat/1.png", "pets/dog/1.png", "all.png"],
        ["my/pets/cat/1.png", "my/pets/dog/1.png", "my/pets/all.png", "my/all.png", "all.png"],
    ],
)
def test_an_image_beside_the_class_folders_is_left_out_and_moves_no_class(names: list[str]) -> None:
    classes, places = arranged(names)
    assert classes == ["cat", "dog"]
    assert [index for index, _, _ in places] == [0, 1]


@pytest.mark.parametrize(
    ("train", "test"),
    [("Training", "Testing"), ("train_set", "test-set"), ("TRAIN", "Valid"), ("훈련", "시험"), ("train", "validation")],
)
def test_parts_are_known_by_the_names_that_people_give_them(train: str, test: str) -> None:
    names = [f"{part}/{name}/1.png" for part in (train, test) for name in ("cat", "dog")]
    classes, places = arranged([*names, "unlabelled/x/1.png", "readme.png"])
    assert classes == ["cat", "dog"]
    assert sorted((index, part) for index, part, _ in places) == [(0, "train"), (1, "train"), (2, "test"), (3, "test")]


@pytest.mark.parametrize("names", [["train/1.png", "bus/1.png", "tram/1.png"], ["train/1.png", "test/1.png"]])
def test_classes_may_be_called_as_parts_are(names: list[str]) -> None:
    classes, places = arranged(names)
    assert classes == sorted(name.split("/")[0] for name in names)
    assert {part for _, part, _ in places} == {""}
