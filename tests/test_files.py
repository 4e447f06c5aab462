from pathlib import Path

import pytest

from scv.files import Files, run_folder, unfinished_keys, weights_key


@pytest.mark.parametrize(
    "key",
    ["", "/", "/etc/passwd", "..", "../x", "runs/../../x", "runs//x", "runs/", ".hidden", "a\\b", "a\0b", "a b", "a\n"],
)
def test_a_key_never_leads_out_of_the_folder(tmp_path: Path, key: str) -> None:
    files = Files(tmp_path)
    for use in (files.path, files.folder, files.delete):
        with pytest.raises(ValueError, match="not a key"):
            use(key)


def test_all_that_a_run_left_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    files = Files(tmp_path)
    for run in (1, 10):
        files.folder(run_folder(run))
        for key in (weights_key(run), *unfinished_keys(run)):
            files.path(key).write_bytes(b"x")
        (files.path(run_folder(run)) / ".checkpoint.safetensors-x1").write_bytes(b"half")
    files.delete_unfinished(1)
    assert [path.name for path in files.path(run_folder(1)).iterdir()] == ["weights.safetensors"]
    assert files.existing(weights_key(1)) == weights_key(1)
    assert files.existing(weights_key(2)) is None
    files.delete(run_folder(1))
    files.delete(run_folder(1))
    assert not files.path(run_folder(1)).exists()
    assert files.path(weights_key(10)).exists()
