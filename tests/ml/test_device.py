import numpy as np
import pytest
import torch

from scv.data.resident import Resident
from scv.ml.device import Normalize, choose_device, place, use_threads
from scv.ml.errors import TrainingError


@pytest.mark.parametrize("wanted", ["toaster", "cuda:99", "meta:x", "meta", "cpu:7", "cuda:-1", ""])
def test_a_device_that_is_not_there_is_refused_by_name(wanted: str) -> None:
    with pytest.raises(TrainingError) as caught:
        choose_device(wanted)

    assert caught.value.code == "no_device"
    assert repr(wanted) in str(caught.value.message)


def test_the_cpu_is_always_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in {"cpu", "cuda", "mps"}


def test_normalized_training_images_have_mean_0_and_deviation_1(noise: Resident) -> None:
    images = place(noise.train_images, noise.train_labels, torch.device("cpu"))
    normal = Normalize(noise.mean, noise.std, torch.device("cpu"))(images.pixels)

    assert normal.dtype == torch.float32
    assert normal.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert normal.std((0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], abs=1e-5)


def test_chosen_images_are_placed_as_they_are(noise: Resident) -> None:
    chosen = np.array([3, 5, 600])
    images = place(noise.train_images, noise.train_labels, torch.device("cpu"), chosen)

    assert images.pixels.dtype == torch.uint8
    assert np.array_equal(images.pixels.numpy(), noise.train_images[chosen])
    assert images.labels.tolist() == noise.train_labels[chosen].tolist()


@pytest.mark.parametrize(("most", "work", "expected"), [(8, 0, 1), (8, 350_000_000, 3), (2, 10**12, 2), (1, 10**12, 1)])
def test_threads_follow_the_work_up_to_the_limit(most: int, work: int, expected: int) -> None:
    before = torch.get_num_threads()
    try:
        assert use_threads(most, work) == expected
        assert torch.get_num_threads() == expected
    finally:
        torch.set_num_threads(before)
