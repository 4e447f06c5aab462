"""Tensors on disk: safetensors, never pickles, with JSON beside them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from scv.data.atomic import write_atomically

_KEY = "scv"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: str) -> None:
    """Replace a file by tensors and a JSON text. A crash leaves the old file or the new one.

    The same content always gives the same bytes.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, _in_order(safetensors.torch.save(contiguous, {"format": "pt", _KEY: metadata})))


def _in_order(content: bytes) -> bytes:
    """The same file with its header's names in order: as they come they differ from one process to the next."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)  # the format wants the numbers aligned
    return b"".join((len(header).to_bytes(8, "little"), header, memoryview(content)[end:]))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read what `write_tensors` wrote, onto the CPU. Raises `OSError` or `safetensors.SafetensorError`."""
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        return {name: file.get_tensor(name) for name in file.keys()}, metadata.get(_KEY, "")  # noqa: SIM118 - no dict


def content_hash(tensors: Mapping[str, Tensor]) -> str:
    """`sha256:` and the hex digest over names, types, shapes and numbers of the weights. It does not depend on the
    file.

    `trained.identity_of` covers what belongs to the weights as well.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        array = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype.name} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return f"sha256:{digest.hexdigest()}"
