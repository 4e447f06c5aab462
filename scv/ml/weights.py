"""Tensors on disk: safetensors, never pickles, with JSON beside them, written whole or not at all."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

_KEY = "scv"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: str) -> None:
    """Write tensors and a JSON text in place of any earlier file; a crash leaves the one or the other."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = safetensors.torch.save(contiguous, {"format": "pt", _KEY: metadata})
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read what `write_tensors` wrote, onto the CPU. Raises `OSError` or `safetensors.SafetensorError`."""
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        return {name: file.get_tensor(name) for name in file.keys()}, metadata.get(_KEY, "")  # noqa: SIM118 - no dict
