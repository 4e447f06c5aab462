"""Archives that mean no good, or are no archives: each is refused with a reason, and nothing is written."""

import os
import stat
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from scv.data.images.decode import ImageRefusedError
from scv.data.own import archives
from scv.data.own.archives import ImagesError, opened
from scv.data.own.importing import ImageOptions, import_images
from tests.data.image_files import classes, write_folder, write_zip

GOOD = classes(2, 5)


def a_bomb(path: Path) -> None:
    write_zip(path, GOOD | {"a/zeros.bmp": bytes(80 * 2**20)})


def one_that_climbs_out(path: Path) -> None:
    write_zip(path, GOOD | {"a/../../evil.png": b"x"})


def one_with_an_absolute_name(path: Path) -> None:
    write_zip(path, GOOD | {"/etc/evil.png": b"x"})


def one_with_a_drive(path: Path) -> None:
    write_zip(path, GOOD | {"C:\\evil.png": b"x"})


def one_with_a_link(path: Path) -> None:
    write_zip(path, GOOD)
    info = zipfile.ZipInfo("a/link.png")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, "/etc/passwd")


def one_with_a_device(path: Path) -> None:
    write_zip(path, GOOD)
    info = zipfile.ZipInfo("a/device.png")
    info.external_attr = (stat.S_IFCHR | 0o666) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, "")


def an_encrypted_one(path: Path) -> None:
    data = bytearray(write_zip(path, GOOD).read_bytes())
    start = data.index(b"PK\x01\x02")
    data[start + 8] |= 1  # the flag in the directory: zipfile itself writes none that is encrypted
    path.write_bytes(data)


def a_torn_one(path: Path) -> None:
    data = write_zip(path, GOOD).read_bytes()
    path.write_bytes(data[: len(data) // 2])


def one_without_a_beginning(path: Path) -> None:
    data = write_zip(path, GOOD).read_bytes()
    path.write_bytes(data[-60:])


def no_zip(path: Path) -> None:
    path.write_bytes(b"Rar!\x1a\x07\x00" + bytes(100))


def an_empty_file(path: Path) -> None:
    path.write_bytes(b"")


def an_empty_zip(path: Path) -> None:
    write_zip(path, {})


def one_class(path: Path) -> None:
    write_zip(path, classes(1, 9))


def a_thousand_classes(path: Path) -> None:
    write_zip(path, {f"c{number}/1.png": b"x" for number in range(1000)})


def no_class_folders(path: Path) -> None:
    write_zip(path, {"1.png": b"x", "2.png": b"x"})


def a_class_with_control_characters(path: Path) -> None:
    write_zip(path, GOOD | {"a\x1b[2Jb/1.png": b"x"})


def a_class_that_is_not_utf_8(path: Path) -> None:
    folder = write_folder(path.with_suffix(""), GOOD)
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe"))).mkdir()
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe")) / "1.png").write_bytes(b"x")
    folder.rename(path)


def a_zip_in_a_zip(path: Path) -> None:
    inner = BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a/1.png", b"x")
    write_zip(path, {"a/inner.zip": inner.getvalue(), "b/inner.zip": inner.getvalue()})


def drawings_alone(path: Path) -> None:
    write_zip(path, {f"{name}/1.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>" for name in "ab"})


def a_class_without_a_readable_image(path: Path) -> None:
    write_zip(path, GOOD | {"c/1.png": b"\x7fELF"})


def a_test_without_a_readable_image(path: Path) -> None:
    write_zip(path, {f"train/{name}": data for name, data in GOOD.items()} | {"test/a/1.png": b""})


def a_test_of_another_class(path: Path) -> None:
    files = {f"train/{name}": data for name, data in GOOD.items()}
    write_zip(path, files | {"test/zebra/1.png": next(iter(GOOD.values()))})


def too_many_files(path: Path) -> None:
    write_zip(path, {f"{number % 2}/{number}.png": b"" for number in range(60)})


BAD: dict[Callable[[Path], None], str] = {
    a_bomb: "would unpack to",
    one_that_climbs_out: "a place outside of it",
    one_with_an_absolute_name: "a place outside of it",
    one_with_a_drive: "a place outside of it",
    one_with_a_link: "a/link.png is a link to another place",
    one_with_a_device: "neither a file nor a folder",
    an_encrypted_one: "is encrypted. Make it again without a password",
    a_torn_one: "no zip file, or only a part of one",
    one_without_a_beginning: "no zip file, or only a part of one",
    no_zip: "no zip file, or only a part of one",
    an_empty_file: "no zip file, or only a part of one",
    an_empty_zip: "a folder for each class",
    one_class: "only one class, a",
    a_thousand_classes: "There are 1000 classes; at most 200 are allowed",
    no_class_folders: "a folder for each class",
    a_class_with_control_characters: "not UTF-8 or holds control characters",
    a_class_that_is_not_utf_8: "not UTF-8 or holds control characters",
    a_zip_in_a_zip: "a folder for each class",
    drawings_alone: "a folder for each class",
    a_class_without_a_readable_image: "The class c needs 5 images that can be read; 0 were found",
    a_test_without_a_readable_image: "no readable test image",
    a_test_of_another_class: "The class zebra has no readable training image",
    too_many_files: "is too large: 50 files",
}


@pytest.mark.parametrize(("make", "message"), BAD.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_it_is_refused_with_a_reason_and_nothing_is_left(
    make: Callable[[Path], None], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if make is too_many_files:
        monkeypatch.setattr(archives, "MOST_FILES", 50)
    source = tmp_path / "images.zip"
    make(source)
    with pytest.raises(ImagesError) as caught:
        import_images(source, tmp_path / "data" / "own", ImageOptions(size=28))

    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert not (tmp_path / "data").exists() or list((tmp_path / "data").iterdir()) == []


def test_whatever_is_spoilt_in_a_zip_it_is_taken_or_refused_and_no_more(tmp_path: Path) -> None:
    source, target = tmp_path / "images.zip", tmp_path / "data" / "own"
    whole = write_zip(source, classes(3, 6)).read_bytes()
    start = whole.index(b"PK\x01\x02")  # of the directory, where most can go wrong
    random = np.random.default_rng(0)
    endings = set()
    for number in range(200):
        data = bytearray(whole)
        for place in random.integers(start if number % 4 else 0, len(data), 3):
            data[place] = random.integers(0, 256)
        source.write_bytes(data)
        try:
            import_images(source, target, ImageOptions(size=28))
            endings.add("taken")
        except ImagesError as error:
            endings.add(error.message.template)
        assert sorted(path.name for path in target.parent.glob("*")) in ([], ["own"])

    assert len(endings) >= 5


def test_a_source_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ImagesError, match="nowhere cannot be read: no such file"), opened(tmp_path / "nowhere"):
        pass


def test_a_spoilt_file_in_a_sound_zip_is_that_file_alone(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "z.zip", {"a/1.png": bytes(range(256)), "a/2.png": b"fine"}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(bytes(range(100)), bytes(100)))
    with opened(path) as archive:
        first, second = sorted(archive.entries)
        with pytest.raises(ImageRefusedError, match="unreadable"):
            archive.read(first)
        assert archive.read(second) == b"fine"


def test_a_file_that_is_larger_than_an_image_is_never_read(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "images", {"a/1.png": b""})
    os.truncate(folder / "a" / "1.png", archives.MOST_BYTES_OF_A_FILE + 1)
    with opened(folder) as archive, pytest.raises(ImageRefusedError, match="large"):
        archive.read(archive.entries[0])


@pytest.mark.parametrize("to", ["file", "folder", "nowhere"])
def test_a_link_in_a_folder_is_refused_by_name(to: str, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "images", GOOD)
    target = {"file": folder / "a" / "000.png", "folder": tmp_path, "nowhere": tmp_path / "nowhere"}[to]
    (folder / "a" / "link.png").symlink_to(target)

    with pytest.raises(ImagesError, match=r"a/link\.png is a link"), opened(folder):
        pass


def test_a_pipe_in_a_folder_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "images", GOOD)
    os.mkfifo(folder / "a" / "pipe.png")

    with pytest.raises(ImagesError, match="neither a file nor a folder"), opened(folder):
        pass


def test_what_becomes_a_link_after_it_was_listed_is_not_followed(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "images", {"a/1.png": b"x"})
    with opened(folder) as archive:
        (folder / "a" / "1.png").unlink()
        (folder / "a" / "1.png").symlink_to("/etc/passwd")
        with pytest.raises(ImageRefusedError, match="unreadable"):
            archive.read(archive.entries[0])


@pytest.mark.parametrize("write", [write_zip, write_folder])
def test_the_digest_changes_with_a_name_and_with_a_byte(
    write: Callable[[Path, dict[str, bytes]], Path], tmp_path: Path
) -> None:
    variants = [{"a/1.png": b"x"}, {"a/2.png": b"x"}, {"a/1.png": b"y"}, {"a/1.png": b"x", "a/3.png": b""}]
    digests = []
    for number, files in enumerate(variants):
        with opened(write(tmp_path / str(number), files)) as archive:
            digests.append(archive.digest())

    assert len(set(digests)) == len(variants)
