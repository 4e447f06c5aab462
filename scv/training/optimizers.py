"""The optimizers, each declared once: a new one is a row of `OPTIMIZERS`, and nothing else.

Form, help, the check of a snapshot, script, notebook, engine and diagnosis read them here.
"""

from typing import Any

import msgspec


class Optimizer(msgspec.Struct, frozen=True, kw_only=True):
    """An optimizer of `torch.optim`, by the name of its class there.

    `rate` is a learning rate that suits it: SGD's steps are as large as the gradient, the others' as the rate.
    `arguments` are those of the class, besides learning rate and weight decay, that are not torch's default.
    `default_decay` is torch's default weight decay, and `fused` says whether torch can make the step in one pass over
    all weights. `against_overfitting` are the settings to try, by name, where a network overfits.
    """

    rate: float
    arguments: dict[str, Any] = {}
    default_decay: float = 0.0
    fused: bool = False
    against_overfitting: dict[str, Any] = msgspec.field(default_factory=lambda: {"weight_decay": 5e-4})


OPTIMIZERS: dict[str, Optimizer] = {
    "Adam": Optimizer(rate=0.001, fused=True, against_overfitting={"optimizer": "AdamW", "weight_decay": 0.05}),
    "AdamW": Optimizer(rate=0.001, fused=True, default_decay=0.01, against_overfitting={"weight_decay": 0.05}),
    "SGD": Optimizer(rate=0.02, fused=True, arguments={"momentum": 0.9, "nesterov": True}),
    "RMSprop": Optimizer(rate=0.001),
}


def suitable_rates() -> str:
    """`Adam 0.001, SGD 0.02 (momentum=0.9)`: the rate of each, and what is not torch's default."""
    return ", ".join(
        f"{name} {optimizer.rate:g}" + (f" ({written_arguments(optimizer.arguments)})" if optimizer.arguments else "")
        for name, optimizer in OPTIMIZERS.items()
    )


def written_arguments(arguments: dict[str, Any]) -> str:
    """Keyword arguments as source code."""
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())
