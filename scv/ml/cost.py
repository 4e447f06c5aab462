"""What a trained network costs, by the check's figures and never by a clock: a report is the same on a slow machine."""

from dataclasses import dataclass
from math import prod

from scv.blocks.findings import Check

_NUMBERS_AT_ONCE = 24_000_000
"""So many activations are held at a time: 96 MB, and their gradients as many again.

A pass without gradients holds fewer, and could take more images; but on one core every starter takes as long with
them, or up to three times as long, since so many numbers leave the processor's caches.
"""
_COPIES = 8
"""So many numbers are held for each number of an image beside what the network holds."""
_MOST_AT_ONCE = 256

_READING = 20
"""Reading and normalizing an image costs at least as much as so many multiply-adds for each of its numbers."""
_LEAST_WORK = 200_000
"""Below this a look costs what calling the layers costs."""
_WORK_PER_NUMBER = 400
"""What is done to an image beside the network costs as much as so many multiply-adds for each of its numbers."""


@dataclass(frozen=True)
class Cost:
    """`at_once`: how many images go through the network together. The others are multiply-adds for one image.

    `answer` is a pass through the network alone; `look` is one of the many that an explanation takes, with all that is
    done to the image before: spoiling, covering, mixing.
    """

    at_once: int
    answer: int
    look: int

    def affordable(self, budget: float, looks: float, least: int, most: int) -> int:
        """How many images may have so many looks each within `budget` multiply-adds. A backward pass is two looks."""
        return max(least, min(most, int(budget / (looks * self.look))))


def cost_of(checked: Check, shape: tuple[int, int, int]) -> Cost:
    """The cost of a sound network whose images have this shape."""
    numbers = prod(shape)
    return Cost(
        at_once=max(1, min(_MOST_AT_ONCE, _NUMBERS_AT_ONCE // (checked.activations + _COPIES * numbers))),
        answer=max(checked.multiply_adds, _READING * numbers),
        look=max(checked.multiply_adds + _WORK_PER_NUMBER * numbers, _LEAST_WORK),
    )
