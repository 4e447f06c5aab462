"""Where a training runs, and the resident images as tensors there."""

import os
import re
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scv.message import say
from scv.ml.errors import TrainingError

_DEVICE = re.compile(r"cpu|mps|cuda(:[0-9]{1,3})?")
_WORK_PER_THREAD = 100_000_000


class Images(NamedTuple):
    """A part of a dataset on a device: `pixels` uint8 (N, C, H, W), `labels` int64 (N,)."""

    pixels: Tensor
    labels: Tensor


class Normalize:
    """Pixels 0 to 255 to float32 with mean 0 and standard deviation 1 per channel of the training set."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> None:
        means, stds = (torch.tensor(part, dtype=torch.float64).view(1, -1, 1, 1) for part in (mean, std))
        self.scale = (1 / (255 * stds)).float().to(device)  # (1, C, 1, 1)
        self.offset = (-means / stds).float().to(device)  # (1, C, 1, 1)

    def __call__(self, pixels: Tensor) -> Tensor:
        """uint8 or float (B, C, H, W) to float32 of the same shape, channels last in memory as the network's weights.

        The format is changed last: on a CPU, numbers for each channel are applied three times as fast to whole planes.
        """
        return pixels.float().mul(self.scale).add_(self.offset).contiguous(memory_format=torch.channels_last)


def choose_device(wanted: str) -> torch.device:
    """`auto` takes the first GPU, then Apple's, then the CPU; otherwise cpu, mps, cuda or cuda:1.

    Raises `TrainingError` with the code no_device.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        if not _DEVICE.fullmatch(wanted):  # torch knows others, such as meta, on which nothing can be trained
            raise RuntimeError(f"not a device: {wanted}")
        device = torch.device(wanted)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise TrainingError("no_device", say("There is no device {device} here.", device=repr(wanted[:40]))) from error
    return device


def own_cores() -> int:
    """How many cores this process may run on, which a container or `taskset` can make fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_threads(most: int | None, work: int) -> int:
    """Set how many threads torch uses: one for each 100 million multiply-adds of a step, at most `most`.

    Below that a second thread costs more than it brings, and on busy cores very much more. The number follows
    from the work alone, since the last bits of a sum depend on it. `most` is by default the cores of this process.
    """
    threads = max(1, min(work // _WORK_PER_THREAD, most or own_cores()))
    torch.set_num_threads(threads)
    return threads


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
