"""Which files are images, of which class and for what: rules on names and order alone.

The source of what stands here, and of `images.py`, is also part of the standalone script: so it uses the standard
library and nothing of SCV.
"""

import hashlib
import unicodedata
import zipfile
from contextlib import suppress


def name_in_zip(info: zipfile.ZipInfo) -> str:
    """The name with slashes. Many programs write UTF-8 without saying so, which Python then takes for cp437."""
    name = info.filename
    if not info.flag_bits & 0x800:
        with suppress(UnicodeEncodeError):  # where an extra field gave the name, it is right already
            name = name.encode("cp437").decode("utf-8", "surrogateescape")
    return name.replace("\\", "/")


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
    if not dot or suffix.lower() not in ("png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"):
        return "kind"
    return None


def arranged(names: list[str]) -> tuple[list[str], list[tuple[int, str, int]]]:
    """The classes, and of each image its index in `names`, its part and its label, in the order of class and name.

    The first folder is the class. Folders that hold everything are passed over: an archive of one folder. Where all
    folders at the top are called train, val and test, they are the parts: `part` is "train", "val" or "test", and val
    is the test where there is no other. Without them `part` is "". Images outside of class folders are left out.
    """
    paths = [name.split("/") for name in names]
    while len({path[0] for path in paths}) == 1 and all(len(path) > 2 for path in paths):
        paths = [path[1:] for path in paths]
    known = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
    tops = {known.get(path[0].lower(), "") for path in paths}
    parts = [""] * len(paths)
    if "" not in tops and "train" in tops and len(tops) > 1:
        parts = [known[path[0].lower()] for path in paths]
        if "test" not in tops:
            parts = [part.replace("val", "test") for part in parts]
        paths = [path[1:] for path in paths]
    return by_class(names, paths, parts)


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
