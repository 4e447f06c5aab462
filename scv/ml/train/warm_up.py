"""Work that torch does once, done before anybody waits for it."""

import torch
from torch import nn


def warm_up() -> None:
    """Make one optimizer. With the first one torch imports a large part of itself, which takes more than a second."""
    torch.optim.Adam([nn.Parameter(torch.zeros(1))], fused=True)
