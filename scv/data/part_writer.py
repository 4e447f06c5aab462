"""Images and labels of one part of a dataset, written as they come."""

from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np


class PartWriter:
    """Writes `{part}_images.npy` and `{part}_labels.npy`; how many images there are is filled in at the end.

    `shape` is of one image, `(C, H, W)`.
    """

    def __init__(self, folder: Path, part: str, shape: tuple[int, int, int]) -> None:
        self._labels_path = folder / f"{part}_labels.npy"
        self._shape = shape
        self._labels: list[int] = []
        self._file = (folder / f"{part}_images.npy").open("wb")

    def __enter__(self) -> Self:
        self._write_header()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(*([OSError] if kind else [])), self._file:
            self._file.seek(0)
            self._write_header()
        if kind is None:
            np.save(self._labels_path, np.array(self._labels, dtype=np.int64))

    def __len__(self) -> int:
        """How many images are written."""
        return len(self._labels)

    def add(self, pixels: bytes | memoryview, label: int, count: int = 1) -> None:
        """Append one image, or `count` of a class."""
        self._file.write(pixels)
        self._labels += [label] * count

    def _write_header(self) -> None:
        # numpy leaves room in it for the first axis to grow
        about = {"descr": "|u1", "fortran_order": False, "shape": (len(self._labels), *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, about)
