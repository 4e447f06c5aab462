from pathlib import Path

import pytest

from scv.files import Files, checkpoint_key, run_folder, weights_key


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
        for key in (weights_key(run), checkpoint_key(run)):
            files.path(key).write_bytes(b"x")
    files.delete(checkpoint_key(1))
    assert files.path(weights_key(1)).exists()
    files.delete(run_folder(1))
    files.delete(run_folder(1))
    assert not files.path(run_folder(1)).exists()
    assert files.path(weights_key(10)).exists()
