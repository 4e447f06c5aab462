"""Where a training runs, and the resident images as tensors there."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scv.blocks.message import say
from scv.ml.errors import TrainingError


class Images(NamedTuple):
    """A part of a dataset on a device: `pixels` uint8 (N, C, H, W), `labels` int64 (N,)."""

    pixels: Tensor
    labels: Tensor


class Normalize:
    """Pixels 0 to 255 to float32 with mean 0 and standard deviation 1 per channel of the training set."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> None:
        self.mean = torch.tensor(mean, dtype=torch.float32, device=device).view(1, -1, 1, 1)  # (1, C, 1, 1)
        self.std = torch.tensor(std, dtype=torch.float32, device=device).view(1, -1, 1, 1)  # (1, C, 1, 1)

    def __call__(self, pixels: Tensor) -> Tensor:
        """uint8 (B, C, H, W) to float32 of the same shape."""
        return pixels.float().div_(255).sub_(self.mean).div_(self.std)


def choose_device(wanted: str) -> torch.device:
    """`auto` takes the first GPU, then Apple's, then the CPU; any other word is torch's own name.

    Raises `TrainingError` with the code no_device.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise TrainingError("no_device", say("There is no device {device} here.", device=repr(wanted[:40]))) from error
    return device


def place(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    device: torch.device,
    indices: NDArray[np.intp] | None = None,
) -> Images:
    """Copy resident images, or those at `indices`, into the device's memory as they are: uint8."""
    chosen = slice(None) if indices is None else indices
    return Images(
        torch.from_numpy(np.array(images[chosen])).to(device),
        torch.from_numpy(np.array(labels[chosen])).to(device),
    )
