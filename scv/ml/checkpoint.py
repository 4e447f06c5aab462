"""The exact state of a training at the end of an epoch: resumed from it, a run ends as if never killed.

The order of the images and the learning rate follow from the epoch and the settings, so what has to be kept
is the weights, the optimizer's state, the random states (dropout draws from them) and the best weights.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from scv.blocks.document import Document, encode
from scv.blocks.progress import EpochMetrics
from scv.blocks.training import TrainingSettings
from scv.ml.weights import read_tensors, write_tensors

CHECKPOINT = "checkpoint.safetensors"
_FORMAT = 1


@dataclass(kw_only=True)
class History:
    """What a training has behind it: its finished epochs, their wall time and the best weights among them."""

    epochs: list[EpochMetrics] = field(default_factory=list)
    seconds: float = 0.0
    best: EpochMetrics | None = None
    best_weights: dict[str, Tensor] = field(default_factory=dict)


class _Meta(msgspec.Struct, frozen=True):
    format: int
    snapshot: str
    epochs: list[EpochMetrics]
    seconds: float
    best: EpochMetrics | None


def snapshot_of(document: Document, settings: TrainingSettings, dataset_hash: str) -> str:
    """A name for everything that a training's outcome follows from."""
    content = b"\n".join((encode(document), msgspec.json.encode(settings), dataset_hash.encode()))
    return sha256(content).hexdigest()


def save_checkpoint(
    folder: Path, snapshot: str, network: nn.Module, optimizer: torch.optim.Optimizer, history: History
) -> None:
    """Write `folder/checkpoint.safetensors`, to the disk, in place of the one before."""
    tensors = {f"model.{name}": tensor for name, tensor in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        for key, tensor in optimizer.state[parameter].items():
            tensors[f"optimizer.{name}.{key}"] = tensor
    tensors |= {f"best.{name}": tensor for name, tensor in history.best_weights.items()}
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    meta = _Meta(_FORMAT, snapshot, history.epochs, history.seconds, history.best)
    write_tensors(folder / CHECKPOINT, tensors, msgspec.json.encode(meta).decode())


def load_checkpoint(
    folder: Path, snapshot: str, network: nn.Module, optimizer: torch.optim.Optimizer
) -> History | None:
    """Put network, optimizer and random states back; None where there is no checkpoint of this snapshot.

    A checkpoint that cannot be read counts as none: from the start the run comes to the same end.
    """
    try:
        tensors, text = read_tensors(folder / CHECKPOINT)
        meta = msgspec.json.decode(text, type=_Meta)
    except (OSError, SafetensorError, msgspec.DecodeError):
        return None
    if meta.format != _FORMAT or meta.snapshot != snapshot:
        return None
    network.load_state_dict(_under("model.", tensors))
    for name, parameter in network.named_parameters():
        for key, tensor in _under(f"optimizer.{name}.", tensors).items():
            # The fused step walks raw memory: what belongs to a parameter must lie as the parameter does.
            home = parameter.detach() if tensor.shape == parameter.shape else tensor
            optimizer.state[parameter][key] = torch.empty_like(home, device=parameter.device).copy_(tensor)
    torch.set_rng_state(tensors["random.cpu"])
    if torch.cuda.is_available() and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"])
    return History(epochs=meta.epochs, seconds=meta.seconds, best=meta.best, best_weights=_under("best.", tensors))


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those whose names begin with the prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
