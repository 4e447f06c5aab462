"""How well each starter did when we trained it: test accuracy, and what it was measured with.

Batches of 64 images, learning rate 0.001, on the CPU, one run each; an exercise as its first fixes repair it.
`python bench/starters.py --table` prints these rows anew. Another device or seed gives figures that are a little
different, as much as a percent on Digits, whose test set has 355 images.
"""

import msgspec


class Measured(msgspec.Struct, frozen=True):
    """One training of a starter: by which data, for how many epochs, and the share of test images it got right."""

    starter: str
    dataset: str
    epochs: int
    seed: int
    accuracy: float
    parameters: int


MEASURED: tuple[Measured, ...] = (
    Measured("linear", "digits", 30, 0, 0.9493, 650),
    Measured("mlp", "digits", 30, 0, 0.9803, 50_826),
    Measured("lenet", "digits", 30, 0, 0.9662, 21_386),
    Measured("cnn", "digits", 30, 0, 0.9944, 21_482),
    Measured("vgg", "digits", 30, 0, 0.9944, 99_370),
    Measured("resnet", "digits", 30, 0, 0.9859, 308_074),
    Measured("inception", "digits", 30, 0, 0.9972, 114_154),
    Measured("mobilenet", "digits", 30, 0, 0.9746, 136_202),
    Measured("allconv", "digits", 30, 0, 0.9887, 107_050),
    Measured("broken", "digits", 30, 0, 0.9887, 29_034),
    Measured("linear", "mnist", 3, 0, 0.9259, 7_850),
    Measured("mlp", "mnist", 3, 0, 0.9817, 235_146),
    Measured("lenet", "mnist", 3, 0, 0.9856, 61_706),
    Measured("cnn", "mnist", 3, 0, 0.9896, 50_282),
    Measured("vgg", "mnist", 3, 0, 0.9944, 468_010),
    Measured("resnet", "mnist", 3, 0, 0.9941, 308_074),
    Measured("inception", "mnist", 3, 0, 0.9949, 114_154),
    Measured("mobilenet", "mnist", 3, 0, 0.9935, 136_202),
    Measured("allconv", "mnist", 3, 0, 0.9945, 107_050),
    Measured("broken", "mnist", 3, 0, 0.9868, 29_034),
)
"""All measurements."""


def measured(starter: str) -> tuple[Measured, ...]:
    """What was measured of a starter, one training a dataset."""
    return tuple(row for row in MEASURED if row.starter == starter)
