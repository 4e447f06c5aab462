"""What a training child may touch and use: its run's folder for itself alone, a scratch folder, so much memory."""

import fcntl
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

SCRATCH = "scratch"
LOCK_SECONDS = 20.0
"""How long a child waits for the one before it to be gone: it was killed already, or ends itself with its lease."""


class FolderInUseError(Exception):
    """Another process is training the same run."""


def claim(folder: Path) -> int:
    """Lock the run's folder, made if it is not there, until this process ends; returns the open lock's descriptor.

    Whatever the leases say, this holds: no two processes of a machine ever train one run at the same time.
    Raises `FolderInUseError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise FolderInUseError(str(folder)) from None
            time.sleep(0.01)
        else:
            return descriptor


def enter_scratch(folder: Path) -> None:
    """Make an empty scratch folder in the run's and work there; drop what a killed child left half written.

    The folder must be claimed.
    """
    for torn in folder.glob(".*.safetensors-*"):
        torn.unlink(missing_ok=True)
    scratch = folder / SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(exist_ok=True)
    os.chdir(scratch)
    os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)


def limit_memory(megabytes: int) -> None:
    """Let this process have so much memory of its own (RLIMIT_DATA); 0 sets no limit.

    Its address space is no measure: torch reserves much more of that than it ever uses.
    """
    if megabytes:
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = megabytes << 20
        resource.setrlimit(resource.RLIMIT_DATA, (min(wanted, most) if most >= 0 else wanted, most))
