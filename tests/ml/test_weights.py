import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from scv.ml.weights import content_hash, read_tensors, write_tensors


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


def test_the_same_content_gives_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    program = "import sys, pathlib, torch; from scv.ml.weights import write_tensors; " + (
        "write_tensors(pathlib.Path(sys.argv[1]), {'b': torch.ones(3), 'a': torch.zeros(2)}, '{\"x\": 1}')"
    )
    # The order of the header's names follows a random seed of each process: by chance a few agree.
    paths = [tmp_path / f"{number}.safetensors" for number in range(6)]
    for path in paths:
        subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert len({path.read_bytes() for path in paths}) == 1


def test_the_hash_is_of_the_numbers_and_not_of_how_they_lie_in_memory() -> None:
    weight = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).view(2, 3, 4, 5)
    known = content_hash({"a": weight, "b": torch.ones(2)})

    assert known == content_hash({"b": torch.ones(2), "a": weight.to(memory_format=torch.channels_last)})
    others = ({"a": weight}, {"a": weight, "c": torch.ones(2)}, {"a": weight.view(2, 12, 5), "b": torch.ones(2)})
    assert known not in [content_hash(tensors) for tensors in others]
    with torch.no_grad():
        weight[1, 2, 3, 4] += 1e-3
    assert known != content_hash({"a": weight, "b": torch.ones(2)})
