"""A draft holds what was sent or collected, says by names what is in it, and shows what the network would see."""

from pathlib import Path

import numpy as np
import pytest

from scv.data.images.decode import ImageRefusedError
from scv.data.own.archives import ImagesError
from scv.data.own.draft import SAMPLES, THUMBNAIL, Draft
from scv.data.own.importing import ImageOptions, import_images
from scv.data.resident import open_resident
from tests.data.image_files import classes, noise, saved, write_zip


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    return Draft(tmp_path / "drafts" / "1")


def add(draft: Draft, name: str, *seeds: int, kind: str = "PNG") -> None:
    """Put images into a class, as an upload would."""
    draft.add_class(name)
    for seed in seeds:
        path = draft.folder.parent / "sent"
        path.write_bytes(saved(noise(seed), kind))
        draft.add_image(name, path)


def test_images_are_numbered_by_age_and_end_as_what_they_are(draft: Draft) -> None:
    add(draft, "cat", 1, 2)
    add(draft, "cat", 3, kind="JPEG")
    assert draft.files("cat") == ["000003.jpg", "000002.png", "000001.png"]
    draft.remove_image("cat", "000002.png")
    add(draft, "cat", 4, kind="WEBP")
    assert draft.files("cat") == ["000004.webp", "000003.jpg", "000001.png"]
    assert draft.look().images == 3
    assert draft.size_on_disk == sum(path.stat().st_size for path in draft.images.glob("*/*"))


def test_an_image_that_is_refused_is_not_put_in(draft: Draft) -> None:
    draft.add_class("cat")
    path = draft.folder.parent / "sent"
    path.write_bytes(b"MZ" * 100)
    with pytest.raises(ImageRefusedError, match="unreadable"):
        draft.add_image("cat", path)
    assert draft.files("cat") == []
    assert draft.source is None


def test_places_outside_of_a_class_cannot_be_named(draft: Draft) -> None:
    add(draft, "cat", 1)
    secret = draft.folder / "secret.png"
    secret.write_bytes(b"x")
    for name, file in (("..", "secret.png"), ("cat", "../../secret.png"), ("cat/..", "000001.png"), ("", "cat")):
        with pytest.raises(KeyError):
            draft.remove_image(name, file)
        with pytest.raises(KeyError):
            draft.thumbnail(name, file)
    assert secret.exists()


def test_classes_are_renamed_and_removed(draft: Draft) -> None:
    add(draft, "cat", 1)
    add(draft, "dog", 2)
    assert draft.rename_class("cat", " Kätzchen ") == "Kätzchen"
    with pytest.raises(ImagesError, match="already"):
        draft.rename_class("dog", "Kätzchen")
    with pytest.raises(KeyError):
        draft.rename_class("cat", "bird")
    draft.remove_class("dog")
    assert draft.class_names == ["Kätzchen"]
    assert sorted(path.name for path in draft.folder.iterdir()) == ["pictures"]


def test_there_are_as_many_classes_as_a_dataset_may_have(draft: Draft) -> None:
    for number in range(200):
        draft.add_class(f"{number}")
    draft.add_class("7")
    with pytest.raises(ImagesError, match="at most 200 are allowed"):
        draft.add_class("one more")


def test_an_archive_and_single_images_do_not_mix(draft: Draft, tmp_path: Path) -> None:
    draft.take_zip(write_zip(tmp_path / "a.zip", classes(2, 5)))
    with pytest.raises(ImagesError, match="zip file"):
        draft.add_class("cat")
    assert draft.source == draft.zip
    draft.discard()
    assert not draft.folder.exists()
    add(draft, "cat", 1)
    with pytest.raises(ImagesError, match="collected images"):
        draft.take_zip(write_zip(tmp_path / "b.zip", classes(2, 5)))
    assert draft.source == draft.images


def test_an_archive_says_what_is_in_it_and_what_is_left_out(draft: Draft, tmp_path: Path) -> None:
    files = {**classes(3, 20), "a/notes.txt": b"x", "__MACOSX/a/001.png": b"x", "loose.png": b"x"}
    draft.take_zip(write_zip(tmp_path / "a.zip", files))
    found = draft.look()
    assert [(one.name, one.images, len(one.samples)) for one in found.classes] == [
        (name, 20, SAMPLES) for name in "abc"
    ]
    assert {reason: (names.count, names.first) for reason, names in found.refused.items()} == {
        "hidden": (1, ["__MACOSX/a/001.png"]),
        "kind": (1, ["a/notes.txt"]),
        "outside": (1, ["loose.png"]),
    }
    draft.take_zip(write_zip(tmp_path / "b.zip", classes(2, 6)))
    assert draft.look().images == 12


@pytest.mark.parametrize("options", [ImageOptions(size=28, color=False, fit="pad"), ImageOptions(size=50)])
@pytest.mark.parametrize("way", ["zip", "images"])
def test_a_preview_is_what_the_import_makes_of_the_same_images(
    draft: Draft, tmp_path: Path, options: ImageOptions, way: str
) -> None:
    if way == "zip":
        draft.take_zip(write_zip(tmp_path / "a.zip", classes(2, 6)))
    else:
        add(draft, "a", *range(6))
        add(draft, "b", *range(10, 16))
    assert draft.source is not None
    import_images(draft.source, tmp_path / "datasets" / "made", options)
    made = open_resident(tmp_path, "made")
    for label in (0, 1):
        seen = draft.samples(label, options)
        learned = made.train_images[made.train_labels == label]
        assert [pixels for pixels in seen if pixels in {image.tobytes() for image in learned}] == [
            image.tobytes() for image in learned
        ]
        assert len(seen) == 6
    with pytest.raises(IndexError):
        draft.samples(2, options)


def test_a_thumbnail_is_small(draft: Draft) -> None:
    from io import BytesIO

    from PIL import Image

    add(draft, "cat", 1)
    with Image.open(BytesIO(draft.thumbnail("cat", "000001.png"))) as image:
        assert image.size == (THUMBNAIL, THUMBNAIL)
        assert np.asarray(image).std() > 10
