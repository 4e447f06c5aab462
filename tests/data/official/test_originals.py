"""Original files are taken from files, folders and archives; whatever else these hold leaves no trace."""

import gzip
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import msgspec
import numpy as np
import pytest

from scv.data.errors import DatasetMissingError
from scv.data.official.catalogue import find
from scv.data.official.originals import take_in
from scv.data.resident import is_prepared
from scv.ml.prepare_official import prepare_official
from tests.data.official.originals import ALL, Small, cifar10, emnist_letters, fashion_mnist, svhn, tar_of, zip_of
from tests.ml.conftest import MNIST_FILES


@pytest.fixture(params=ALL.values(), ids=ALL)
def small(request: pytest.FixtureRequest) -> Small:
    made: Small = request.param()
    return made


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Nothing is left in it but what the test asks for; what is taken from lies beside it."""
    path = tmp_path / "data"
    path.mkdir()
    return path


def left_in(data_dir: Path) -> list[str]:
    """All files and folders but the empty ones that are made for all, and the lock."""
    return sorted(
        str(path.relative_to(data_dir))
        for path in data_dir.rglob("*")
        if (path.is_file() and not path.name.endswith(".lock")) or (path.name.startswith(".small-") and path.is_dir())
    )


def assert_taken(data_dir: Path, small: Small, source: Path) -> None:
    resident = prepare_official(data_dir, small.info, source=source)
    assert np.array_equal(resident.train_images, small.images["train"])
    assert np.array_equal(resident.test_labels, small.labels["test"])
    assert small.info.missing(data_dir) == ()


def test_a_folder_of_originals_is_taken(tmp_path: Path, data_dir: Path, small: Small) -> None:
    folder = small.put(tmp_path / "stick" / "deeper")
    (folder / "notes.txt").write_text("mine")
    assert_taken(data_dir, small, tmp_path / "stick")
    assert [path.name for path in (data_dir / small.info.folder).iterdir() if path.name == "notes.txt"] == []
    assert sorted(path.name for path in folder.iterdir()) == sorted([*small.files, "notes.txt"])


def test_what_is_published_is_taken(tmp_path: Path, data_dir: Path, small: Small) -> None:
    folder = small.put(tmp_path / "downloads", small.published)
    assert_taken(data_dir, small, folder)


@pytest.mark.parametrize("packing", ["", "gz", "bz2", "xz", "zip"])
def test_archives_of_any_kind_are_taken(tmp_path: Path, data_dir: Path, small: Small, packing: str) -> None:
    members = {f"any/folder/{name}": content for name, content in small.files.items()} | {"read me": b"not known"}
    archive = tmp_path / "anything.bin"
    archive.write_bytes(zip_of(members) if packing == "zip" else tar_of(members, packing))
    assert_taken(data_dir, small, archive)


def test_what_was_published_is_found_where_it_was_put_by_hand(data_dir: Path, small: Small) -> None:
    small.put(data_dir / small.info.folder, small.published)
    resident = prepare_official(data_dir, small.info, mirror="http://127.0.0.1:9")
    assert np.array_equal(resident.test_images, small.images["test"])


def test_one_file_at_a_time_is_taken_and_the_rest_asked_for(tmp_path: Path, data_dir: Path) -> None:
    small = svhn()
    stick = small.put(tmp_path / "stick")
    with pytest.raises(DatasetMissingError, match=r"still missing: test_32x32.mat. What was there has been taken"):
        prepare_official(data_dir, small.info, source=stick / "train_32x32.mat")
    assert_taken(data_dir, small, stick / "test_32x32.mat")


def test_the_real_files_of_mnist_are_taken_from_a_packed_archive(tmp_path: Path, data_dir: Path) -> None:
    archive = tmp_path / "mnist.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in MNIST_FILES.iterdir():
            packed.write(file, file.name)
    resident = prepare_official(data_dir, find("mnist"), source=archive)
    assert resident.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert resident.mean == pytest.approx([0.1307], abs=1e-4)


def test_mnist_is_not_taken_for_fashion(tmp_path: Path, data_dir: Path) -> None:
    """The two have the same names and sizes."""
    with pytest.raises(DatasetMissingError, match="belongs to MNIST, not to Fashion-MNIST"):
        prepare_official(data_dir, find("fashion-mnist"), source=MNIST_FILES)
    assert left_in(data_dir) == []


@pytest.mark.parametrize("keep", [0, 1, 20, 0.5, 0.9])
def test_archives_that_are_cut_short_leave_nothing(tmp_path: Path, data_dir: Path, small: Small, keep: float) -> None:
    for name, content in small.published.items():
        cut = content[: int(len(content) * keep) if isinstance(keep, float) else keep]
        source = small.put(tmp_path / "stick", {name: cut}) / name
        with pytest.raises(DatasetMissingError, match=r"cut short|no archive"):
            prepare_official(data_dir, small.info, source=source)
        assert left_in(data_dir) == []


def test_changed_files_leave_nothing(tmp_path: Path, data_dir: Path, small: Small) -> None:
    name, content = next(iter(small.files.items()))
    if small.info.originals[0].idx:  # nobody knows a hash of the unpacked file, but its header
        content = content[:4] + b"\x01" + content[5:]
    else:
        content = content[:-1] + bytes((content[-1] ^ 1,))
    changed = {**small.files, name: content}
    with pytest.raises(DatasetMissingError, match=f"{name} is not the original file of {small.info.title}"):
        prepare_official(data_dir, small.info, source=small.put(tmp_path / "stick", changed))
    assert left_in(data_dir) == []


def test_a_packed_file_with_another_hash_leaves_nothing(tmp_path: Path, data_dir: Path) -> None:
    small = fashion_mnist()
    name = "train-images-idx3-ubyte"
    again = {**small.published, f"{name}.gz": gzip.compress(small.files[name], 1, mtime=1)}
    with pytest.raises(DatasetMissingError, match="not the original file of Fashion-MNIST"):
        prepare_official(data_dir, small.info, source=small.put(tmp_path / "stick", again))
    assert left_in(data_dir) == []


def test_a_file_that_unpacks_without_end_is_left_early(tmp_path: Path, data_dir: Path) -> None:
    small = emnist_letters()
    bomb = {"emnist-letters-train-labels-idx1-ubyte.gz": gzip.compress(bytes(50_000_000))}
    with pytest.raises(DatasetMissingError, match="not the original file"):
        prepare_official(data_dir, small.info, source=small.put(tmp_path / "stick", bomb))
    assert left_in(data_dir) == []


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> bytes:
    file = BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        archive.addfile(member)
    return file.getvalue()


def zipped_link(name: str, target: bytes) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        member = zipfile.ZipInfo(name)
        member.external_attr = 0o120777 << 16
        archive.writestr(member, target)
    return file.getvalue()


ELSEWHERE = ("../data_batch_1", "a/../../data_batch_1", "/tmp/data_batch_1", "C:\\data_batch_1", "..\\data_batch_1")


LEADING_ELSEWHERE = {
    **{f"tar with {name}": tar_of({name: b"evil"}, "gz") for name in ELSEWHERE},
    **{f"zip with {name}": zip_of({name: b"evil"}) for name in ELSEWHERE},
    "tar with an unknown name": tar_of({"cifar-10-batches-py/../../outside": b"evil"}, "gz"),
    "link to a file": link("data_batch_1", "/etc/passwd"),
    "link out": link("data_batch_1", "../../outside"),
    "hard link": link("data_batch_1", "/etc/passwd", tarfile.LNKTYPE),
    "pipe": link("data_batch_1", "", tarfile.FIFOTYPE),
    "device": link("data_batch_1", "", tarfile.CHRTYPE),
    "zip with a link": zipped_link("data_batch_1", b"/etc/passwd"),
}


@pytest.mark.parametrize("archive", LEADING_ELSEWHERE.values(), ids=LEADING_ELSEWHERE)
def test_an_archive_that_leads_elsewhere_is_refused(tmp_path: Path, data_dir: Path, archive: bytes) -> None:
    small = cifar10()
    source = tmp_path / "archive"
    source.write_bytes(archive)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DatasetMissingError, match=r"is refused: its entry .* leads out of the archive"):
        take_in(data_dir, small.info, source)
    assert sorted(path for path in tmp_path.rglob("*") if path != data_dir / "datasets") == before


def test_good_files_beside_a_bad_entry_are_not_taken_either(tmp_path: Path, data_dir: Path) -> None:
    small = cifar10()
    source = tmp_path / "archive.tar"
    source.write_bytes(tar_of({**small.files, "../outside": b"evil"}))
    with pytest.raises(DatasetMissingError, match="is refused"):
        prepare_official(data_dir, small.info, source=source)
    assert left_in(data_dir) == []
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("holiday.jpg", b"\xff\xd8\xff\xe0 a photograph"),
        ("empty", b""),
        ("page.html", b"<!doctype html><title>Sign in to the network</title>"),
        ("data_batch_1", b"<!doctype html><title>Sign in to the network</title>"),
        ("cifar-10-python.tar.gz", b"<!doctype html><title>Sign in to the network</title>"),
        ("other.zip", zip_of({"holiday.jpg": b"\xff\xd8"})),
        ("other.tar.gz", tar_of({"holiday.jpg": b"\xff\xd8"}, "gz")),
        ("packed.gz", gzip.compress(b"no archive inside")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_is_something_else_is_named(tmp_path: Path, data_dir: Path, name: str, content: bytes) -> None:
    small = cifar10()
    source = small.put(tmp_path / "stick", {name: content}) / name
    with pytest.raises(DatasetMissingError) as caught:
        prepare_official(data_dir, small.info, source=source)
    assert name in str(caught.value.message)
    assert left_in(data_dir) == []


def test_a_folder_without_them_says_what_they_are_called(tmp_path: Path, data_dir: Path) -> None:
    (tmp_path / "stick").mkdir()
    with pytest.raises(DatasetMissingError, match=r"holds no file of SVHN. They are called train_32x32.mat"):
        prepare_official(data_dir, svhn().info, source=tmp_path / "stick")


def test_files_that_torchvision_cannot_read_are_taken_back(tmp_path: Path, data_dir: Path) -> None:
    """Their hashes are right here, so that only reading shows it."""
    small = svhn()
    spoilt = {name: b"not a file of MATLAB" + bytes(200) for name in small.files}
    wrong = Small("svhn", spoilt, spoilt)
    with pytest.raises(DatasetMissingError, match="damaged"):
        prepare_official(data_dir, wrong.info, source=wrong.put(tmp_path / "stick"))
    assert left_in(data_dir) == []
    assert not is_prepared(data_dir, wrong.info.name)


def test_an_archive_with_a_password_is_said_to_be_unreadable(tmp_path: Path, data_dir: Path) -> None:
    small = svhn()
    content = bytearray(zip_of(small.files))
    first, second = content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")
    content[first + 6] |= 1
    content[second + 8] |= 1
    source = small.put(tmp_path / "stick", {"secret.zip": bytes(content)}) / "secret.zip"
    with pytest.raises(DatasetMissingError, match="cannot be unpacked"):
        prepare_official(data_dir, small.info, source=source)
    assert left_in(data_dir) == []


def test_several_hashes_are_known_of_mnist(data_dir: Path, tmp_path: Path) -> None:
    """Packed anew it is still MNIST: the hash of what is inside is known too."""
    info = find("mnist")
    labels = MNIST_FILES / "t10k-labels-idx1-ubyte"
    packed = tmp_path / "t10k-labels-idx1-ubyte.gz"
    packed.write_bytes(gzip.compress(labels.read_bytes(), 1))
    placed = take_in(data_dir, info, packed)
    assert [path.read_bytes() for path in placed] == [labels.read_bytes()]
    unknown = msgspec.structs.replace(info, originals=tuple(msgspec.structs.replace(o, md5="") for o in info.originals))
    with pytest.raises(DatasetMissingError, match="not the original"):
        take_in(data_dir, unknown, packed)
