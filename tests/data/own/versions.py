"""Versions of a dataset that are made one after the other, and what holds of every one."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from scv.data.own.export import export_zip
from scv.data.own.importing import ImageOptions, import_images
from scv.data.own.summary import ImportSummary, read_summary
from scv.data.own.version import VersionPlan, make_version
from scv.data.resident import Resident, open_resident
from tests.data.image_files import classes, write_folder, write_zip

SMALL = ImageOptions(size=28)


class Services:
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
        options: ImageOptions = SMALL,
        progress: Callable[[int, int], None] | None = None,
        renamed: dict[str, str] | None = None,
        train: tuple[int, ...] = (),
        test: tuple[int, ...] = (),
    ) -> tuple[Resident, ImportSummary]:
        source = self.folder / f"source-{self.version}"
        if files is not None:
            (write_folder if folder else write_zip)(source, files)
        plan = VersionPlan(
            target=f"own-1-{self.version + 1}",
            previous=f"own-1-{self.version}" if self.version else None,
            options=options,
            source=None if files is None else str(source),
            renamed=renamed or {},
            dropped_train=train,
            dropped_test=test,
        )
        handed = msgspec.json.decode(msgspec.json.encode(plan), type=VersionPlan)
        summary = make_version(self.folder, handed, progress)
        self.version += 1
        assert summary == read_summary(self.path(self.version))
        return open_resident(self.folder, plan.target), summary

    def left(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "datasets").iterdir() if path.suffix != ".lock")


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


def check_invariants(resident: Resident, summary: ImportSummary, folder: Path) -> None:
    """What holds of every version: order, no image twice in a part, counts, and the way out and in again."""
    found = contents(resident)
    assert list(resident.class_names) == sorted(resident.class_names) == summary.class_names
    for part, counts in (("train", summary.train), ("val", summary.validation), ("test", summary.test)):
        assert [len(found.get((part, name), [])) for name in resident.class_names] == counts
        images = [pixels for name in resident.class_names for pixels in found.get((part, name), [])]
        assert len(images) == len(set(images))
    parts = [
        {pixels for (part, _), images in found.items() if part == wanted for pixels in images}
        for wanted in ("train", "val", "test")
    ]
    assert summary.repeated.count == sum(map(len, parts)) - len(set().union(*parts))
    export_zip(resident, folder / "out.zip")
    options = ImageOptions(size=resident.shape[1], color=resident.shape[0] == 3)
    again = import_images(folder / "out.zip", folder / "datasets" / "again", options)
    assert open_resident(folder, "again").hash == resident.hash
    assert (again.class_names, again.train, again.validation, again.test) == (
        summary.class_names,
        summary.train,
        summary.validation,
        summary.test,
    )
    assert again.repeated.count == summary.repeated.count


IMPORTS = (
    "import json, resource, sys; from pathlib import Path\n"
    "from scv.data.own.importing import *; from scv.data.own.version import *\n"
)


def run(code: str, *arguments: str) -> str:
    """What a process of its own prints after `IMPORTS` and the code; it must print no warning and no error."""
    command = [sys.executable, "-W", "error", "-c", f"{IMPORTS}{code}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout
