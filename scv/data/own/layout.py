"""Which files are images, of which class and for what: rules on names and order alone.

The source of what stands here, and of `images.py`, is also part of the standalone script: so it uses the standard
library and nothing of SCV.
"""

import hashlib
import unicodedata
import zipfile
from contextlib import suppress


def name_in_zip(info: zipfile.ZipInfo) -> str:
    """The name with slashes, and without the "." of "./name".

    Python takes a name for cp437 where nothing says that it is UTF-8. Many programs write UTF-8 all the same, and
    Windows writes cp949 in Korea. Bytes that could be both Korean and Western count as Korean where half of what they
    would say are everyday syllables (those of KS X 1001): Western letters hardly ever make such.
    """
    name = info.filename
    if not info.flag_bits & 0x800:
        with suppress(UnicodeError):  # where an extra field gave the name, it is right already
            name = korean(name.encode("cp437"), name)
        with suppress(UnicodeError):
            name = info.filename.encode("cp437").decode("utf-8")
    return "/".join(part for part in name.replace("\\", "/").split("/") if part != ".")


def korean(data: bytes, otherwise: str) -> str:
    """The bytes as cp949 where they are Korean by their looks. Raises `UnicodeError` where they cannot be."""
    text = data.decode("cp949")
    syllables = [character for character in text if character > "\x7f"]
    usual = [character for character in syllables if len(character.encode("euc_kr", "ignore")) == 2]
    return text if 2 * len(usual) >= len(syllables) else otherwise


def reason_by_name(name: str) -> str | None:
    """Why a file is left out by its name alone, "hidden", "name" or "kind"; None where an image may be in it.

    The name is relative, with slashes. What was no UTF-8 stands in it as lone surrogates.
    """
    parts = name.split("/")
    if any(part.startswith(".") or part in ("__MACOSX", "Thumbs.db", "desktop.ini") for part in parts):
        return "hidden"
    if any(character < " " or "\x7f" <= character <= "\x9f" or "\ud800" <= character <= "\udfff" for character in name):
        return "name"
    _, dot, suffix = parts[-1].rpartition(".")
    kinds = ("png", "apng", "jpg", "jpeg", "jpe", "jfif", "pjpeg", "pjp", "webp", "bmp", "dib", "gif", "tif", "tiff")
    if not dot or suffix.lower() not in kinds:
        return "kind"
    return None


def arranged(names: list[str]) -> tuple[list[str], list[tuple[int, str, int]]]:
    """The classes, and of each image its index in `names`, its part and its label, in the order of class and name.

    The first folder is the class. Folders that hold everything are passed over: an archive of one folder. Where
    folders at the top are called train and test, or val, they are the parts: `part` is "train", "val" or "test", and
    val is the test where there is no other; what is in other folders beside them is left out then. Without such
    folders `part` is "". Images outside of class folders are left out.
    """
    paths = [name.split("/") for name in names]
    while len({path[0] for path in paths if len(path) > 1}) == 1 and holds_folders(paths):
        paths = [path[1:] for path in paths]
    known = {"train": "train", "training": "train", "trainset": "train", "val": "val", "valid": "val"}
    known |= {"validation": "val", "test": "test", "testing": "test", "testset": "test"}
    known |= {"훈련": "train", "학습": "train", "검증": "val", "테스트": "test", "시험": "test"}
    tops = [plain_name(path[0]) if len(path) > 2 else "" for path in paths]
    found = {known[top] for top in tops if top in known}
    parts = [""] * len(paths)
    if "train" in found and len(found) > 1:
        parts = [known.get(top, "") for top in tops]
        if "test" not in found:
            parts = [part.replace("val", "test") for part in parts]
        paths = [path[1:] if part else [] for path, part in zip(paths, parts, strict=True)]
    return by_class(names, paths, parts)


def holds_folders(paths: list[list[str]]) -> bool:
    """Whether the only folder at the top holds the folders of classes: there may be images beside them, or above."""
    inside = [path[1:] for path in paths if len(path) > 1]
    folders = [path for path in inside if len(path) > 1]
    if len(folders) == len(inside):
        return True
    return len({path[0] for path in folders}) > 1 or (bool(folders) and holds_folders(folders))


def plain_name(folder: str) -> str:
    """A folder's name in lower case, without what sets words apart: "Train_Set" is "trainset"."""
    return "".join(letter for letter in unicodedata.normalize("NFC", folder).lower() if letter not in " _-")


def by_class(
    names: list[str], paths: list[list[str]], parts: list[str]
) -> tuple[list[str], list[tuple[int, str, int]]]:
    """What `arranged` gives, of paths whose first folder is the class.

    Some systems write a letter and its accent, or the parts of a Korean syllable, as characters of their own: as the
    name of a class they are put together (NFC).
    """
    order = sorted(
        ([unicodedata.normalize("NFC", path[0]), *path[1:]], names[index], index)
        for index, path in enumerate(paths)
        if len(path) > 1
    )
    classes = sorted({path[0] for path, _, _ in order})
    labels = {name: label for label, name in enumerate(classes)}
    return classes, [(index, parts[index], labels[path[0]]) for path, _, index in order]


class Sorting:
    """Says of one image after the other where it goes; the order decides, and nothing else."""

    def __init__(self) -> None:
        self.seen: dict[str, set[bytes]] = {}
        self.taken: dict[int, int] = {}

    def part(self, pixels: bytes, part: str, label: int) -> tuple[str | None, bool]:
        """ "train", "val", "test" or, for one that was there before, None; and whether another part has it as well.

        An image that has no part yet is for the test where it is its class's fifth, tenth, and so on; it was there
        before where any part has it.
        """
        digest = hashlib.blake2b(pixels, digest_size=16).digest()
        there = {other for other, seen in self.seen.items() if digest in seen}
        if part in there or (there and not part):
            return None, bool(there - {part})
        self.taken[label] = self.taken.get(label, 0) + 1
        place = part or ("train" if self.taken[label] % 5 else "test")
        self.seen.setdefault(place, set()).add(digest)
        return place, bool(there)
