import numpy as np
from sklearn.datasets import load_digits

from scv.data.official import digits
from scv.data.official.catalogue import DATASETS


def test_the_digits_are_all_there_once() -> None:
    arrays = digits.read()
    pixels = np.concatenate([arrays.train_images, arrays.test_images])[:, 0]

    ours = sorted(image.tobytes() for image in pixels)
    theirs = sorted(np.round(image * 255 / 16).astype(np.uint8).tobytes() for image in load_digits().images)
    assert ours == theirs


def test_the_catalogue_tells_their_sizes() -> None:
    arrays, info = digits.read(), DATASETS["digits"]

    assert arrays.train_images.shape == (info.train_size, *info.shape)
    assert arrays.test_images.shape == (info.test_size, *info.shape)
    assert arrays.train_images.dtype == np.uint8
    assert arrays.train_labels.dtype == np.int64


def test_a_fifth_of_each_class_is_for_the_test() -> None:
    arrays = digits.read()

    for label in range(10):
        train, test = (arrays.train_labels == label).sum(), (arrays.test_labels == label).sum()
        assert test == (train + test) // 5


def test_full_ink_is_255_and_none_is_0() -> None:
    images = digits.read().train_images

    assert images.min() == 0
    assert images.max() == 255
