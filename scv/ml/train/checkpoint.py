"""The exact state of a training: resumed from it, a run ends as if never killed, on a CPU to the last bit.

The order of the images and the learning rate follow from the epoch, the step and the settings, so what has to
be kept is the weights, the optimizer's state, the random states (dropout draws from them), the best weights,
and amid an epoch how many batches of it are done and what was summed up over them.

Two files are kept, the last state and the one before. Each is written to a temporary file, flushed to the disk
and renamed, and carries a checksum over all that is in it: one that is torn is passed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from scv.blocks.document import Document, encode
from scv.ml.train.randomness import (
    RandomStates,
    random_states,
    restore_random_states,
    restore_torch_states,
    torch_states,
)
from scv.ml.weights import read_tensors, write_tensors
from scv.training.progress import EpochMetrics
from scv.training.settings import TrainingSettings

CHECKPOINT = "checkpoint.safetensors"
BEFORE = "checkpoint.before.safetensors"
_FORMAT = 2


@dataclass(kw_only=True)
class Amid:
    """A place within an epoch: `steps` batches are done, in `seconds`. `sums` are over these batches."""

    steps: int
    seconds: float
    sums: dict[str, Tensor]


@dataclass(kw_only=True)
class TrainingHistory:
    """What a training has behind it: its finished epochs, their wall time and the best weights among them.

    `amid` is where it stands in the epoch after those, where it has begun.
    """

    epochs: list[EpochMetrics] = field(default_factory=list)
    seconds: float = 0.0
    best: EpochMetrics | None = None
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    amid: Amid | None = None


class _Meta(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    snapshot: str
    epochs: list[EpochMetrics]
    seconds: float
    best: EpochMetrics | None
    amid: tuple[int, float] | None
    random: RandomStates


class _Sealed(msgspec.Struct, frozen=True):
    """What is beside the tensors, and the checksum over it and them."""

    sha256: str
    meta: msgspec.Raw


def snapshot_of(document: Document, settings: TrainingSettings, dataset_hash: str) -> str:
    """A name for everything that a training's outcome follows from."""
    content = b"\n".join((encode(document), msgspec.json.encode(settings), dataset_hash.encode()))
    return sha256(content).hexdigest()


def save_checkpoint(
    folder: Path, snapshot: str, network: nn.Module, optimizer: torch.optim.Optimizer, history: TrainingHistory
) -> None:
    """Write `folder/checkpoint.safetensors`, to the disk; the one before stays as `checkpoint.before.safetensors`.

    Raises `OSError`, and then leaves at least the one before.
    """
    tensors = {f"model.{name}": tensor for name, tensor in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        for key, tensor in optimizer.state[parameter].items():
            tensors[f"optimizer.{name}.{key}"] = tensor
    tensors |= {f"best.{name}": tensor for name, tensor in history.best_weights.items()}
    tensors |= {f"random.{name}": tensor for name, tensor in torch_states(_device_of(network)).items()}
    amid = history.amid
    if amid is not None:
        tensors |= {f"amid.{name}": tensor for name, tensor in amid.sums.items()}
    meta = _Meta(
        format=_FORMAT,
        snapshot=snapshot,
        epochs=history.epochs,
        seconds=history.seconds,
        best=history.best,
        amid=None if amid is None else (amid.steps, amid.seconds),
        random=random_states(),
    )
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = msgspec.json.encode(meta)
    sealed = _Sealed(_checksum(content, on_cpu), msgspec.Raw(content))
    if (folder / CHECKPOINT).exists():
        (folder / CHECKPOINT).replace(folder / BEFORE)
    write_tensors(folder / CHECKPOINT, on_cpu, msgspec.json.encode(sealed).decode())


def load_checkpoint(
    folder: Path, snapshot: str, network: nn.Module, optimizer: torch.optim.Optimizer
) -> TrainingHistory | None:
    """Put network, optimizer and random states back; None where there is no checkpoint of this snapshot.

    One that is torn is deleted and the one before is taken; where that is torn too, it counts as none: from the
    start the run comes to the same end.
    """
    for path in (folder / CHECKPOINT, folder / BEFORE):
        try:
            tensors, meta = _read(path)
        except FileNotFoundError:
            continue
        except (OSError, SafetensorError, msgspec.DecodeError):
            # It must not take the place of the one before with the next save.
            path.unlink(missing_ok=True)
            continue
        if meta.format == _FORMAT and meta.snapshot == snapshot:
            return _restore(tensors, meta, network, optimizer)
    return None


def _read(path: Path) -> tuple[dict[str, Tensor], _Meta]:
    tensors, text = read_tensors(path)
    sealed = msgspec.json.decode(text, type=_Sealed)
    if _checksum(bytes(sealed.meta), tensors) != sealed.sha256:
        raise msgspec.DecodeError(f"{path} is damaged")
    return tensors, msgspec.json.decode(sealed.meta, type=_Meta)


def _restore(
    tensors: dict[str, Tensor], meta: _Meta, network: nn.Module, optimizer: torch.optim.Optimizer
) -> TrainingHistory:
    device = _device_of(network)
    network.load_state_dict(_under("model.", tensors))
    for name, parameter in network.named_parameters():
        for key, tensor in _under(f"optimizer.{name}.", tensors).items():
            # The fused step walks raw memory: what belongs to a parameter must lie as the parameter does.
            home = parameter.detach() if tensor.shape == parameter.shape else tensor
            optimizer.state[parameter][key] = torch.empty_like(home, device=parameter.device).copy_(tensor)
    restore_random_states(meta.random)
    restore_torch_states(_under("random.", tensors), device)
    amid = None
    if meta.amid is not None:
        steps, seconds = meta.amid
        sums = {name: tensor.to(device) for name, tensor in _under("amid.", tensors).items()}
        amid = Amid(steps=steps, seconds=seconds, sums=sums)
    return TrainingHistory(
        epochs=meta.epochs,
        seconds=meta.seconds,
        best=meta.best,
        best_weights=_under("best.", tensors),
        amid=amid,
    )


def _checksum(content: bytes, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of a text and of tensors on the CPU: names, types, shapes and numbers."""
    digest = sha256(content)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _device_of(network: nn.Module) -> torch.device:
    parameter = next(network.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those whose names begin with the prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
