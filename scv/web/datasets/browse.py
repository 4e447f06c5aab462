"""Looking through a dataset's images: how many there are of each class, and a page of them at a time."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

import numpy as np

from scv.data.official.catalogue import DatasetInfo
from scv.data.resident import Resident, ResidentError, open_resident

PER_PAGE = 60

Part = Literal["train", "test"]


@dataclass(frozen=True)
class ClassRow:
    """A class: how many images of it there are, and how many for every one of the largest class."""

    name: str
    train: int
    test: int
    share: float


@dataclass(frozen=True)
class BrowsePage:
    """Images of one class and part, by their indices in the resident arrays. Pages count from 1.

    `drop_at` is where chosen images can be dropped, None for who may only look.
    """

    dataset: DatasetInfo
    back: str
    label: int
    part: Part
    counts: Mapping[str, int]
    images: tuple[int, ...]
    page: int
    pages: int
    drop_at: str | None

    @property
    def own(self) -> bool:
        """Whether the dataset is a user's own, whose class names are not translated."""
        return self.dataset.name.startswith("own-")

    @property
    def version_number(self) -> str:
        """The number of the version of an own dataset."""
        return self.dataset.name.rpartition("-")[2]

    @property
    def class_name(self) -> str:
        return self.dataset.class_names[self.label]

    def href(self, *, page: int = 1, label: int | None = None, part: str | None = None) -> str:
        """The address of another page, class or part."""
        number = self.label if label is None else label
        query = urlencode({"part": part or self.part, "page": page})
        return f"/datasets/{self.dataset.name}/classes/{number}/images?{query}"


def opened(data_dir: Path, name: str) -> Resident | None:
    """The dataset if it is there."""
    try:
        return open_resident(data_dir, name)
    except ResidentError:  # taken away this very moment
        return None


def count(resident: Resident) -> tuple[ClassRow, ...]:
    """Every class in the order of the labels."""
    train = np.bincount(resident.train_labels, minlength=resident.classes)
    test = np.bincount(resident.test_labels, minlength=resident.classes)
    return tuple(
        ClassRow(name, int(learned), int(tested), float(learned / train.max()))
        for name, learned, tested in zip(resident.class_names, train, test, strict=True)
    )


def browse(
    resident: Resident,
    dataset: DatasetInfo,
    label: int,
    query: Mapping[str, str],
    *,
    back: str,
    drop_at: str | None = None,
) -> BrowsePage:
    """A page of the class's images; what makes no sense in the query counts as not given."""
    part: Part = "test" if query.get("part") == "test" else "train"
    found = {
        "train": np.flatnonzero(resident.train_labels == label),
        "test": np.flatnonzero(resident.test_labels == label),
    }
    pages = max(1, math.ceil(len(found[part]) / PER_PAGE))
    wanted = query.get("page", "1")
    page = min(pages, max(1, int(wanted))) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 7 else 1
    return BrowsePage(
        dataset=dataset,
        back=back,
        label=label,
        part=part,
        counts={name: len(indices) for name, indices in found.items()},
        images=tuple(map(int, found[part][(page - 1) * PER_PAGE : page * PER_PAGE])),
        page=page,
        pages=pages,
        drop_at=drop_at,
    )
