"""Connected pieces of a mask. Pixels that touch at a corner are connected too."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Component:
    """A piece: its number in the map, its box, how much ink it has in pixels' worth, and whether it is cut off."""

    number: int
    left: int
    top: int
    right: int
    bottom: int
    ink: float
    darkest: float
    at_edge: bool

    @property
    def size(self) -> int:
        """The longer side of its box."""
        return max(self.right - self.left, self.bottom - self.top)

    def gap(self, other: "Component") -> int:
        """How many pixels lie between the boxes of both, along the axis where it is more."""
        across = max(self.left - other.right, other.left - self.right, 0)
        return max(across, self.top - other.bottom, other.top - self.bottom)


class Pieces(NamedTuple):
    """All pieces, and the number of the piece that each pixel belongs to, 0 for none: (H, W)."""

    pieces: list[Component]
    numbers: NDArray[np.intp]


def find_pieces(strength: NDArray[np.float32], least: float = 1.0) -> Pieces:
    """The connected pieces of all pixels above 0. Pieces with less than `least` ink are left out. The piece with the
    most ink comes first.
    """
    height, width = strength.shape
    rows, starts, ends = _runs(strength > 0)
    if not len(rows):
        return Pieces([], np.zeros(strength.shape, np.intp))
    names = _joined(rows, starts, ends, width)
    _, numbers = np.unique(names, return_inverse=True)
    count = int(numbers.max()) + 1
    sums = np.concatenate([[0.0], np.cumsum(strength, dtype=np.float64)])
    inks = np.bincount(numbers, sums[rows * width + ends] - sums[rows * width + starts], count)
    peaks = np.maximum.reduceat(
        np.append(strength.ravel(), np.float32(0)), np.stack([rows * width + starts, rows * width + ends], 1).ravel()
    )[::2]
    tops, lefts = np.full(count, height), np.full(count, width)
    bottoms, rights, darkest = np.zeros(count, int), np.zeros(count, int), np.zeros(count)
    for least_of, values in ((tops, rows), (lefts, starts)):
        np.minimum.at(least_of, numbers, values)
    for most_of, values in ((bottoms, rows + 1), (rights, ends), (darkest, peaks)):
        np.maximum.at(most_of, numbers, values)
    order = [number for number in np.argsort(-inks, kind="stable") if inks[number] >= least]
    found = [
        Component(
            number=int(number) + 1,
            left=int(lefts[number]),
            top=int(tops[number]),
            right=int(rights[number]),
            bottom=int(bottoms[number]),
            ink=float(inks[number]),
            darkest=float(darkest[number]),
            at_edge=bool(
                lefts[number] == 0 or tops[number] == 0 or rights[number] == width or bottoms[number] == height
            ),
        )
        for number in order
    ]
    return Pieces(found, _painted(numbers + 1, rows, starts, ends, strength.shape))


def _runs(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Row, start and end of each stretch of set pixels, in order."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    return rows, starts, np.nonzero(edges == -1)[1]


def _joined(rows: NDArray[np.intp], starts: NDArray[np.intp], ends: NDArray[np.intp], width: int) -> NDArray[np.intp]:
    """A name for each run, the same for those that hang together."""
    wide = width + 2
    first = np.searchsorted(rows * wide + ends, (rows + 1) * wide + starts, "left")
    last = np.searchsorted(rows * wide + starts, (rows + 1) * wide + ends, "right")
    counts = np.maximum(last - first, 0)
    above = np.repeat(np.arange(len(rows)), counts)
    below = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts) + np.repeat(first, counts)
    names = np.arange(len(rows))
    while True:
        least = np.minimum(names[above], names[below])
        before = names.copy()
        for ends_of in (above, below):
            np.minimum.at(names, before[ends_of], least)
        names = names[names]
        if np.array_equal(names, before):
            return names


def _painted(
    numbers: NDArray[np.intp],
    rows: NDArray[np.intp],
    starts: NDArray[np.intp],
    ends: NDArray[np.intp],
    shape: tuple[int, ...],
) -> NDArray[np.intp]:
    """The number of each run over its pixels."""
    steps = np.zeros((shape[0], shape[1] + 1), np.intp)
    steps[rows, starts] += numbers
    steps[rows, ends] -= numbers
    return steps.cumsum(1)[:, :-1]
