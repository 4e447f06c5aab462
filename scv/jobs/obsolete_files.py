"""Files that earlier versions of SCV kept progress in, which the table `tasks` holds now."""

from contextlib import suppress
from pathlib import Path

_PATTERNS = (
    "datasets/*.progress.json",
    "datasets/*.stop",
    "datasets/*.failed.json",
    "datasets/.*.progress.json-*",
    "datasets/.*.failed.json-*",
    "files/runs/*/report/underway.json",
    "files/runs/*/report/stopped",
    "files/runs/*/report/failure.json",
)


def sweep_obsolete_files(data_dir: Path) -> None:
    """Remove them from a data folder."""
    for pattern in _PATTERNS:
        for path in data_dir.glob(pattern):
            with suppress(OSError):
                path.unlink()
