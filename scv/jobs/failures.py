"""Why the last preparation of a dataset failed: `{data_dir}/datasets/{name}.failed.json`, gone once it succeeds."""

from contextlib import suppress
from pathlib import Path

import msgspec

from scv.data.atomic import write_atomically
from scv.message import Message


def preparation_failure(data_dir: Path, name: str) -> Message | None:
    """What to tell about the last preparation; None where it did not fail, or goes on. Ask `is_prepared` first."""
    try:
        return msgspec.json.decode(_path(data_dir, name).read_bytes(), type=Message)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def keep_preparation_failure(data_dir: Path, name: str, message: Message) -> None:
    """Keep the message; where nothing can be written it is only in the log."""
    path = _path(data_dir, name)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, msgspec.json.encode(message))


def forget_preparation_failure(data_dir: Path, name: str) -> None:
    """A new preparation begins, or one has succeeded."""
    with suppress(OSError):
        _path(data_dir, name).unlink(missing_ok=True)


def _path(data_dir: Path, name: str) -> Path:
    return data_dir / "datasets" / f"{name}.failed.json"
