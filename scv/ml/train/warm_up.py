"""What torch would otherwise do while somebody waits for a first training."""

import torch
from torch import nn


def warm_up() -> None:
    """Make an optimizer: with the first one torch imports a large part of itself, almost a second's work."""
    torch.optim.Adam([nn.Parameter(torch.zeros(1))], fused=True)
