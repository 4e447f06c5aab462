"""How much of the image one number of a layer can see: its receptive field."""

import math
from collections.abc import Sequence

import msgspec


class ReceptiveField(msgspec.Struct, frozen=True):
    """The part of the image that one number depends on: `reach` is its height and width in pixels.

    `step` is the distance in pixels, down and across, between the receptive fields of neighbouring numbers.
    `everything` is true where a number depends on the whole image, whatever its size. Araujo et al. 2019, Computing
    Receptive Fields of Convolutional Neural Networks.
    """

    reach: tuple[float, float] = (1.0, 1.0)
    step: tuple[float, float] = (1.0, 1.0)
    everything: bool = False

    def through(self, kernel: Sequence[float], stride: Sequence[float]) -> "ReceptiveField":
        """The receptive field after a window of size `kernel` that moves by `stride`."""
        return ReceptiveField(
            (self.reach[0] + (kernel[0] - 1) * self.step[0], self.reach[1] + (kernel[1] - 1) * self.step[1]),
            (self.step[0] * stride[0], self.step[1] * stride[1]),
            self.everything,
        )

    def of_all(self) -> "ReceptiveField":
        return ReceptiveField(self.reach, self.step, everything=True)

    @staticmethod
    def widest(sights: Sequence["ReceptiveField"]) -> "ReceptiveField":
        """The receptive field of several branches together."""
        return ReceptiveField(
            (max(s.reach[0] for s in sights), max(s.reach[1] for s in sights)),
            (max(s.step[0] for s in sights), max(s.step[1] for s in sights)),
            any(s.everything for s in sights),
        )

    def within(self, image: Sequence[int]) -> tuple[int, int] | None:
        """Height and width in whole pixels; None where that is the whole image."""
        height, width = (min(math.ceil(reach), side) for reach, side in zip(self.reach, image, strict=True))
        return None if self.everything or (height, width) == tuple(image) else (height, width)
