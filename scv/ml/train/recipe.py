"""The parts of a training that its settings choose, made from the same source as the exported script."""

import math
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name all of torch's own texts use

from scv.training.optimizers import OPTIMIZERS
from scv.training.recipe import augmentation, optimizer_arguments
from scv.training.schedules import SCHEDULES
from scv.training.settings import TrainingSettings


def make_optimizer(settings: TrainingSettings, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """The optimizer of the settings, fused where torch can."""
    arguments = optimizer_arguments(settings)
    if OPTIMIZERS[settings.optimizer].fused:
        arguments["fused"] = True
    made: torch.optim.Optimizer = getattr(torch.optim, settings.optimizer)(
        parameters, lr=settings.learning_rate, **arguments
    )
    return made


def learning_rate(settings: TrainingSettings, step: int, steps: int) -> float:
    """The rate of a step, counted from 0, of all `steps` of a run."""
    source = SCHEDULES[settings.schedule].source
    if not source:
        return settings.learning_rate
    return float(_defined("learning_rate", source)(settings.learning_rate, step, steps))


class Augment:
    """Varies training images; each epoch draws its chances before it begins, so that a batch draws none."""

    def __init__(self, source: str, draws: int) -> None:
        self._vary: Callable[[Tensor, Tensor], Tensor] = _defined("augment", source)
        self._draws = draws

    def chances(self, images: int, generator: torch.Generator) -> Tensor:
        """The random numbers by which an epoch varies its images: (draws, N, 1, 1), from 0 to 1."""
        return torch.rand(self._draws, images, 1, 1, generator=generator)

    def __call__(self, pixels: Tensor, chances: Tensor) -> Tensor:
        """(B, C, H, W) of 0 to 255, varied by `chances`, (draws, B, 1, 1); float32, or uint8 where none is mixed."""
        return self._vary(pixels, chances)


def make_augment(settings: TrainingSettings) -> Augment | None:
    """How the settings vary training images; None where they leave them as they are."""
    varied = augmentation(settings)
    return Augment(varied.source, varied.draws) if varied else None


@cache
def _defined(name: str, source: str) -> Any:
    """The function of this name that the source defines."""
    namespace: dict[str, Any] = {"F": F, "math": math, "torch": torch, "__name__": __name__}
    exec(source, namespace)  # noqa: S102 - our own source, the same that users read
    return namespace[name]
