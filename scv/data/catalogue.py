"""The datasets that SCV knows: names, shapes, classes, sizes and where they come from."""

import msgspec


class UnknownDatasetError(Exception):
    """No dataset has this name; `message` is an English sentence that lists those there are."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class DatasetInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An official dataset. Its images are uint8, all of one `shape`, `(C, H, W)`; labels count from 0.

    `epochs` is how many a small network needs to do well, and what a new model starts with. `mirrored` says that
    the mirror image of a picture shows the same class, as with animals but not with letters.
    `script_loader` is the part of the standalone script that reads the dataset: Python source which
    defines `load_data(folder)` and needs `torch` imported and nothing else of the script. It returns
    `train_images, train_labels, test_images, test_labels`: uint8 (N, C, H, W) and int64 (N,) tensors,
    equal to the resident arrays and in the same order.
    """

    name: str
    title: str
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    train_size: int
    test_size: int
    epochs: int
    licence: str
    source: str
    script_loader: str
    mirrored: bool = False
    script_folder: str = "data"
    """What the script's `load_data` gets where nobody says otherwise."""

    @property
    def classes(self) -> int:
        """How many classes there are, and so how many numbers a network ends in."""
        return len(self.class_names)


_DIGITS_LOADER = '''\
def load_data(folder):
    """The 1,797 handwritten digits that come with scikit-learn, 8 x 8 pixels each. Needs no folder.

    The set has no test part of its own: within each class, in order, every fifth image is for the test.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (torch.from_numpy(digits.images) * 255 / 16).round().to(torch.uint8).unsqueeze(1)  # (N, 1, 8, 8)
    labels = torch.from_numpy(digits.target).long()  # (N,)
    test = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        test[(labels == label).nonzero().squeeze(1)[4::5]] = True
    return images[~test], labels[~test], images[test], labels[test]
'''

_MNIST_LOADER = '''\
def load_data(folder):
    """MNIST: 70,000 handwritten digits, 28 x 28 pixels each. Downloaded into the folder if not there yet."""
    try:
        from torchvision.datasets import MNIST
    except RuntimeError:  # torchvision for CUDA beside torch for the CPU: two operators are not declared
        global operators  # the declarations last as long as this object
        operators = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        from torchvision.datasets import MNIST

    train = MNIST(folder, train=True, download=True)
    test = MNIST(folder, train=False, download=True)
    return train.data.unsqueeze(1), train.targets, test.data.unsqueeze(1), test.targets  # (N, 1, 28, 28), (N,)
'''

DATASETS: dict[str, DatasetInfo] = {
    info.name: info
    for info in (
        DatasetInfo(
            name="digits",
            title="Digits",
            shape=(1, 8, 8),
            class_names=tuple("0123456789"),
            train_size=1442,
            test_size=355,
            epochs=30,
            licence="CC BY 4.0",
            source="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
            script_loader=_DIGITS_LOADER,
        ),
        DatasetInfo(
            name="mnist",
            title="MNIST",
            shape=(1, 28, 28),
            class_names=tuple("0123456789"),
            train_size=60000,
            test_size=10000,
            epochs=3,
            licence="CC BY-SA 3.0",
            source="http://yann.lecun.com/exdb/mnist/",
            script_loader=_MNIST_LOADER,
        ),
    )
}
"""All datasets by name, in the order in which they are offered."""


def find(name: str) -> DatasetInfo:
    """Look a dataset up. Raises `UnknownDatasetError`."""
    try:
        return DATASETS[name]
    except KeyError:
        raise UnknownDatasetError(
            f"There is no dataset named {name[:40]!r}; there are {', '.join(DATASETS)}."
        ) from None
