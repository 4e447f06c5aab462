from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from scv.ml.weights import read_tensors, write_tensors


def test_tensors_and_text_are_read_back(tmp_path: Path) -> None:
    tensors = {
        "channels last": torch.randn(4, 3, 5, 5).contiguous(memory_format=torch.channels_last),
        "number": torch.tensor(7),
        "trained": torch.nn.Parameter(torch.randn(2)),
    }
    write_tensors(tmp_path / "x.safetensors", tensors, '{"a": 1}')

    read, text = read_tensors(tmp_path / "x.safetensors")

    assert text == '{"a": 1}'
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())


def test_any_safetensors_reader_reads_them(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x.safetensors", {"w": torch.ones(3)}, "")

    assert load_file(tmp_path / "x.safetensors")["w"].tolist() == [1, 1, 1]


def test_a_failed_write_leaves_the_file_before_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"w": torch.ones(3)}, "")

    shared = torch.ones(3)
    with pytest.raises(RuntimeError, match="shar"):
        write_tensors(path, {"a": shared, "b": shared}, "")

    assert list(tmp_path.iterdir()) == [path]
    assert read_tensors(path)[0].keys() == {"w"}
