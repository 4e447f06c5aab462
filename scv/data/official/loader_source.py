"""The part of the standalone script that reads a dataset: Python source that defines `load_data(folder)`."""

from string import Template

DIGITS = '''\
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

_TORCHVISION = Template('''\
def load_data(folder):
    """$about Downloaded into the folder if not there yet."""
    try:
        from torchvision.datasets import $kind
    except RuntimeError:  # torchvision for CUDA beside torch for the CPU: two operators are not declared
        global operators  # the declarations last as long as this object
        operators = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        from torchvision.datasets import $kind

$body''')

_PLAIN = """\
    train = $kind(folder, train=True, download=True)
    test = $kind(folder, train=False, download=True)
    return train.data.unsqueeze(1), train.targets, test.data.unsqueeze(1), test.targets  # (N, 1, 28, 28), (N,)
"""


def _torchvision(kind: str, about: str, body: str) -> str:
    return _TORCHVISION.substitute(kind=kind, about=about, body=Template(body).substitute(kind=kind))


MNIST = _torchvision("MNIST", "MNIST: 70,000 handwritten digits, 28 x 28 pixels each.", _PLAIN)

FASHION_MNIST = _torchvision("FashionMNIST", "Fashion-MNIST: 70,000 images of clothes, 28 x 28 pixels each.", _PLAIN)

CIFAR10 = _torchvision(
    "CIFAR10",
    "CIFAR-10: 60,000 colour photographs, 32 x 32 pixels each.",
    """\
    parts = [$kind(folder, train=train, download=True) for train in (True, False)]
    images = [torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous() for part in parts]  # (N, 3, 32, 32)
    labels = [torch.tensor(part.targets) for part in parts]  # (N,)
    return images[0], labels[0], images[1], labels[1]
""",
)

SVHN = _torchvision(
    "SVHN",
    "SVHN: 99,289 digits of house numbers, 32 x 32 pixels each.",
    """\
    parts = [$kind(f"{folder}/SVHN", split=split, download=True) for split in ("train", "test")]  # reads by scipy
    images = [torch.from_numpy(part.data).contiguous() for part in parts]  # (N, 3, 32, 32)
    labels = [torch.from_numpy(part.labels) for part in parts]  # (N,)
    return images[0], labels[0], images[1], labels[1]
""",
)

EMNIST_LETTERS = _torchvision(
    "EMNIST",
    "EMNIST letters: 145,600 handwritten letters, 28 x 28 pixels each.",
    """\
    parts = [$kind(folder, split="letters", train=train, download=True) for train in (True, False)]
    images = [part.data.transpose(1, 2).unsqueeze(1).contiguous() for part in parts]  # upright, (N, 1, 28, 28)
    labels = [part.targets - 1 for part in parts]  # they count from 1, (N,)
    return images[0], labels[0], images[1], labels[1]
""",
)
