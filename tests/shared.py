"""What takes long to make and is the same for every test: made once in a test run, for all its processes."""

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

_root: list[Path] = []


def share_in(root: Path) -> None:
    """Keep what is made in this folder, which all processes of the test run name."""
    root.mkdir(parents=True, exist_ok=True)
    _root[:] = [root]


def shared(name: str, make: Callable[[Path], object]) -> Path:
    """The folder of this name, filled by `make` where it is not there yet. Tests read it and change nothing in it.

    A process that comes meanwhile waits. `make` gets a folder that is renamed afterwards.
    """
    (root,) = _root
    folder, unfinished = root / name, root / f"{name}.unfinished"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
    return folder
