"""The random generators of a process, torch's, numpy's and Python's own: seeded together, kept and put back exactly."""

import random

import msgspec
import numpy as np
import torch
from torch import Tensor


class RandomStates(msgspec.Struct, frozen=True, kw_only=True):
    """Python's and numpy's global generators (both Mersenne Twisters) as numbers; torch's are tensors."""

    python: tuple[int, tuple[int, ...], float | None]
    numpy: tuple[str, list[int], int, int, float]


def seed_all(seed: int) -> None:
    """Seed every global generator."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def random_states() -> RandomStates:
    """Where Python's and numpy's generators stand."""
    name, key, position, has_gauss, gauss = np.random.get_state(legacy=True)
    words = [int(word) for word in key]
    return RandomStates(python=random.getstate(), numpy=(str(name), words, int(position), int(has_gauss), float(gauss)))


def restore_random_states(states: RandomStates) -> None:
    """Put Python's and numpy's generators back."""
    random.setstate(states.python)
    name, key, position, has_gauss, gauss = states.numpy
    np.random.set_state((name, np.array(key, dtype=np.uint32), position, has_gauss, gauss))


def torch_states(device: torch.device) -> dict[str, Tensor]:
    """Where torch's generators stand: the CPU's, and the device's where it has its own."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_torch_states(states: dict[str, Tensor], device: torch.device) -> None:
    """Put torch's generators back."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
