"""Starters: networks to begin with, each built for the shape of a dataset and its number of classes.

How well they do was measured: see measured.py.
"""

from collections.abc import Callable

import msgspec

from scv.blocks import architectures
from scv.blocks.document import Document
from scv.blocks.shapes import Shape
from scv.message import mark


class Starter(msgspec.Struct, frozen=True):
    """A network to begin with. `title` and `summary` are gettext ids.

    `build(input_shape, classes)` makes its document, for images of 8 × 8 pixels and more. An `exercise` does not
    train as it is: it is there to be repaired.
    """

    name: str
    title: str
    summary: str
    build: Callable[[Shape, int], Document]
    exercise: bool = False


STARTERS: dict[str, Starter] = {
    starter.name: starter
    for starter in (
        Starter(
            "linear",
            mark("Linear classifier"),
            mark(
                "One layer: every pixel votes for every class. The simplest network that learns; compare others "
                "with it."
            ),
            architectures.linear_classifier,
        ),
        Starter(
            "mlp",
            mark("Small MLP"),
            mark("Three fully connected layers. It learns shapes, but separately for each place in the image."),
            architectures.perceptron,
        ),
        Starter(
            "lenet",
            mark("LeNet-5"),
            mark("The original network that read bank cheques in 1998: Tanh and average pooling."),
            architectures.lenet,
        ),
        Starter(
            "cnn",
            mark("Small CNN"),
            mark("Convolution, normalization, ReLU, pool, and again. Short and fast: a good first choice."),
            architectures.small_cnn,
        ),
        Starter(
            "vgg",
            mark("Small VGG"),
            mark(
                "Two 3 × 3 convolutions cover as much as one of 5 × 5, with fewer weights and one more non-linearity."
            ),
            architectures.vgg,
        ),
        Starter(
            "resnet",
            mark("Small ResNet"),
            mark("A shortcut around every two convolutions lets even a deep network learn."),
            architectures.resnet,
        ),
        Starter(
            "inception",
            mark("Small Inception"),
            mark("Filters of several sizes look at the same place, and all their outputs are kept."),
            architectures.inception,
        ),
        Starter(
            "mobilenet",
            mark("MobileNet-like"),
            mark(
                "First each channel by itself, then all channels at each point: far less to compute, made for phones."
            ),
            architectures.mobilenet,
        ),
        Starter(
            "allconv",
            mark("All-convolutional"),
            mark("No pools and no Linear: strides shrink the image, and one channel a class is averaged at the end."),
            architectures.all_convolutional,
        ),
        Starter(
            "broken",
            mark("Broken on purpose"),
            mark("An exercise: seven mistakes to find and fix, and one warning to think about."),
            architectures.broken,
            exercise=True,
        ),
    )
}
"""All starters by name, from the simplest on, the exercise last."""
