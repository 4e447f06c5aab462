"""Well-known kinds of networks as documents, each fitted to the shape of the images and the number of classes.

The smallest images that they fit are 8 × 8. Larger images get more stages, until about 8 × 8 pixels are left and
the receptive field covers the whole object. Very large images are shrunk by the first layers.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from scv.blocks.block import Container
from scv.blocks.catalogue.all import CATALOGUE
from scv.blocks.document import Block, Document
from scv.blocks.shapes import Shape

ENOUGH = 8
"""Height and width at which a network need not shrink its image any further."""

WIDE = 40
"""Images beyond this are halved by the very first convolution of the deeper networks."""

HUGE = 112
"""Images beyond this are quartered at once, as ImageNet's usually are."""


def linear_classifier(shape: Shape, classes: int) -> Document:
    """Softmax regression: every pixel votes for every class."""
    image = _Image(shape)
    return _document(*image.shrunk_to(32), _block("Flatten"), _block("Linear", out_features=classes))


def perceptron(shape: Shape, classes: int) -> Document:
    """A multilayer perceptron with two hidden layers. Rumelhart et al. 1986."""
    image = _Image(shape)
    return _document(
        *image.shrunk_to(32),
        _block("Flatten"),
        _block("Linear", out_features=256),
        _block("ReLU"),
        _block("Linear", out_features=128),
        _block("ReLU"),
        _block("Linear", out_features=classes),
    )


def lenet(shape: Shape, classes: int) -> Document:
    """LeNet-5 with all maps connected. LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition.

    The original images were 32 × 32. Smaller images are padded, and larger ones are shrunk to that size or less.
    """
    image = _Image(shape)
    blocks = image.shrunk_to(32)
    for channels, least in ((6, 32), (16, 6)):
        rim = [2 if side < least else 0 for side in image.sides]
        blocks.append(
            _block("Conv2d", out_channels=channels, kernel_size=5, **({"padding": _size(rim)} if any(rim) else {}))
        )
        blocks.append(_block("Tanh"))
        image.sides = [side + 2 * pad - 4 for side, pad in zip(image.sides, rim, strict=True)]
        blocks.append(image.pooled("AvgPool2d"))
    return _document(
        *blocks,
        _block("Flatten"),
        _block("Linear", out_features=120),
        _block("Tanh"),
        _block("Linear", out_features=84),
        _block("Tanh"),
        _block("Linear", out_features=classes),
    )


def small_cnn(shape: Shape, classes: int) -> Document:
    """One convolution a stage, batch normalization (Ioffe and Szegedy 2015) and dropout (Srivastava et al. 2014)."""
    image = _Image(shape)
    blocks: list[Block] = []
    for stage in range(image.stages(2)):
        blocks += [*_conv(min(32 << stage, 64)), image.pooled("MaxPool2d")]
    return _document(*blocks, _block("Flatten"), _block("Dropout"), _block("Linear", out_features=classes))


def vgg(shape: Shape, classes: int) -> Document:
    """Pairs of 3 × 3 convolutions. Simonyan and Zisserman 2015, Very Deep Convolutional Networks."""
    image = _Image(shape)
    width = 16 if image.side > 2 * WIDE else 32
    blocks: list[Block] = []
    for stage in range(image.stages(2)):
        channels = min(width << stage, 128)
        blocks += [*_conv(channels), *_conv(channels), image.pooled("MaxPool2d")]
    return _document(
        *blocks,
        _block("Flatten"),
        _block("Linear", out_features=128),
        _block("ReLU"),
        _block("Dropout"),
        _block("Linear", out_features=classes),
    )


def resnet(shape: Shape, classes: int) -> Document:
    """One basic block a stage, projection where the shape changes. He et al. 2016, Deep Residual Learning."""
    image = _Image(shape)
    blocks = _stem(image, 32)
    for stage in range(image.stages(2) + 1):
        channels = min(32 << stage, 256)
        stride = image.strides() if stage else {}
        blocks += [
            _block(
                "Residual",
                [*_conv(channels, **stride), *_conv(channels)[:2]],
                _conv(channels, 1, **stride)[:2] if stage else [],
            ),
            _block("ReLU"),
        ]
    return _document(*blocks, *_head(classes))


def inception(shape: Shape, classes: int) -> Document:
    """Filters of three sizes side by side. Szegedy et al. 2015, Going Deeper with Convolutions."""
    image = _Image(shape)
    blocks = _stem(image, 32)
    for stage in range(image.stages(2)):
        width = 16 if stage == 0 else 32
        blocks += [image.pooled("MaxPool2d"), *_inception(width), *_inception(width)]
    return _document(*blocks, *_head(classes, _block("Dropout", p=0.2)))


def mobilenet(shape: Shape, classes: int) -> Document:
    """Depthwise separable convolutions. Howard et al. 2017, MobileNets."""
    image = _Image(shape)
    blocks = [*_stem(image, 32), *_separable(32, 64)]
    channels = 64
    for _ in range(image.stages(2)):
        wider = min(2 * channels, 256)
        blocks += [*_separable(channels, wider, **image.strides()), *_separable(wider, wider)]
        channels = wider
    return _document(*blocks, *_head(classes))


def all_convolutional(shape: Shape, classes: int) -> Document:
    """Strides in the place of pools and no Linear. Springenberg et al. 2015, Striving for Simplicity."""
    image = _Image(shape)
    blocks: list[Block] = []
    for stage in range(image.stages(2)):
        channels = min(32 << stage, 64)
        first = image.strides() if stage == 0 and image.side > 2 * WIDE else {}
        blocks += [*_conv(channels, **first), *_conv(channels, **image.strides())]
    return _document(
        *blocks,
        *_conv(64),
        *_conv(64, 1),
        _block("Conv2d", out_channels=classes, kernel_size=1),
        _block("AdaptiveAvgPool2d"),
        _block("Flatten"),
    )


def broken(shape: Shape, classes: int) -> Document:
    """Seven different errors and one thing unwise; the first fix that each of them offers is right."""
    image = _Image(shape)
    return _document(
        *image.shrunk_to(32),
        _block("Conv2d", out_channels=16, kernel_size=5, padding="same", stride=2),  # same with a stride
        _block("BatchNorm2d"),
        _block("ReLU"),
        _block("MaxPool2d"),
        _block(
            "Residual",
            [*_conv(32), *_conv(32)[:2]],
            [],  # 16 channels cannot be added to 32
        ),
        _block("ReLU"),
        _block("Conv2d", out_channels=64, kernel_size=3, padding=1, groups=3),  # 3 does not divide 32
        _block("ReLU"),
        _block("AvgPool2d", kernel_size=20),  # larger than what arrives
        _block("Linear", out_features=64),  # no Flatten before it, and no activation behind it
        _block("Dropout", p=1.5),  # no probability
        _block("Linear", out_features=1000),  # not the number of classes
    )


class _Image:
    """Height and width of what flows, as layer after layer shrinks them; no side becomes smaller than 2."""

    def __init__(self, shape: Shape) -> None:
        self.sides = list(shape[1:])

    @property
    def side(self) -> int:
        """The larger of height and width."""
        return max(self.sides)

    def stages(self, least: int) -> int:
        """How many halvings bring the larger side down to `ENOUGH`, but never fewer than `least`."""
        return max(least, ((self.side - 1) // ENOUGH).bit_length())

    def strides(self) -> dict[str, Any]:
        """Parameters of a padded convolution that halves the image."""
        steps = [2 if side >= 4 else 1 for side in self.sides]
        self.sides = [-(-side // step) for side, step in zip(self.sides, steps, strict=True)]
        return {"stride": _size(steps)} if max(steps) > 1 else {}

    def pooled(self, kind: str) -> Block:
        """A pool that halves the image."""
        kernel = [2 if side >= 4 else 1 for side in self.sides]
        self.sides = [side // window for side, window in zip(self.sides, kernel, strict=True)]
        return _block(kind, kernel_size=_size(kernel))

    def shrunk_to(self, most: int) -> list[Block]:
        """Averaging that leaves `most` rows and columns or fewer; nothing where it is as small already."""
        windows = [-(-side // most) for side in self.sides]
        self.sides = [side // window for side, window in zip(self.sides, windows, strict=True)]
        return [_block("AvgPool2d", kernel_size=_size(windows))] if max(windows) > 1 else []


def _stem(image: _Image, channels: int) -> list[Block]:
    """The first convolution: 7 × 7 with a pool for huge images, else 3 × 3."""
    if image.side > HUGE:
        blocks = _conv(channels, 7, **image.strides())
        return [*blocks, _block("MaxPool2d", kernel_size=3, padding=1, **image.strides())]
    return _conv(channels, **(image.strides() if image.side > WIDE else {}))


def _head(classes: int, *before: Block) -> list[Block]:
    """Global average pooling to one number a channel, and a Linear with one output a class."""
    return [_block("AdaptiveAvgPool2d"), _block("Flatten"), *before, _block("Linear", out_features=classes)]


def _conv(channels: int, kernel: int = 3, **params: Any) -> list[Block]:
    """Convolution, batch normalization and ReLU; the size is kept unless there is a stride."""
    if kernel > 1:
        params["padding"] = kernel // 2
    # The normalization behind it has a bias of its own.
    return [
        _block("Conv2d", out_channels=channels, kernel_size=kernel, **params, bias=False),
        _block("BatchNorm2d"),
        _block("ReLU"),
    ]


def _separable(arriving: int, channels: int, **stride: Any) -> list[Block]:
    """A depthwise separable convolution: 3 × 3 in each channel by itself, then 1 × 1 across all channels."""
    return [*_conv(arriving, **stride, groups=arriving), *_conv(channels, 1)]


def _inception(width: int) -> list[Block]:
    """An inception module of 5 · width channels, normalized as a whole."""

    def conv(channels: int, kernel: int = 1) -> list[Block]:
        return _conv(channels, kernel)[:1]

    module = _block(
        "Parallel",
        conv(width),
        [*conv(width), _block("ReLU"), *conv(2 * width, 3)],
        [*conv(width // 2), _block("ReLU"), *conv(width, 5)],
        [_block("MaxPool2d", kernel_size=3, stride=1, padding=1), *conv(width)],
    )
    return [module, _block("BatchNorm2d"), _block("ReLU")]


def _block(kind: str, *branches: Sequence[Block], **params: Any) -> Block:
    """A block without an id yet. Parameters at their defaults are left out, as the editor leaves them."""
    defaults = {param.name: param.default for param in CATALOGUE[kind].params}
    changed = {name: value for name, value in params.items() if value != defaults[name]}
    return Block("", kind, changed, tuple(map(tuple, branches)) if isinstance(CATALOGUE[kind], Container) else None)


def _document(*blocks: Block) -> Document:
    """Blocks with ids: the stem of the kind and its number, as the editor gives them."""
    numbers: Counter[str] = Counter()

    def named(block: Block) -> Block:
        stem = CATALOGUE[block.type].stem
        numbers[stem] += 1
        name = f"{stem}{numbers[stem]}"
        branches = block.branches and tuple(tuple(named(inner) for inner in branch) for branch in block.branches)
        return msgspec.structs.replace(block, id=name, branches=branches)

    return Document(blocks=tuple(named(block) for block in blocks))


def _size(sides: Sequence[int]) -> int | list[int]:
    """A height and a width as a parameter: one number where they are equal."""
    return sides[0] if len(set(sides)) == 1 else list(sides)
