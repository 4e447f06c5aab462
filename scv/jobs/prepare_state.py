"""How far the preparation of a dataset has come, and the wish to stop it: two small files beside the datasets.

`{name}.progress.json` is there from the moment that somebody asks for it until it ends. A preparation whose process
was killed leaves the file: whoever looks at it then asks for another, which takes it over.
"""

import time
from contextlib import suppress
from pathlib import Path

import msgspec

from scv.data.atomic import write_atomically
from scv.message import say
from scv.stage import Stage

WAITING = Stage(say("Waiting for its turn"))

_EVERY = 0.25  # seconds between two writings of one stage


class StoppedError(Exception):
    """Somebody asked for it to be stopped."""


class Underway(msgspec.Struct, frozen=True):
    """A stage, when it began and when this was written, in seconds since 1970."""

    stage: Stage
    began: float
    written: float

    @property
    def seconds_left(self) -> float | None:
        """How long the stage still takes if it goes on as it went; None where that cannot be told yet."""
        passed = self.written - self.began
        if not 0 < self.stage.done <= self.stage.total or passed < 1:
            return None
        return passed * (self.stage.total - self.stage.done) / self.stage.done


class Teller:
    """Writes what a preparation says into its file; raises `StoppedError` once that is wished for."""

    def __init__(self, data_dir: Path, name: str) -> None:
        self._data_dir, self._name = data_dir, name
        self._last: Underway | None = None

    def __call__(self, stage: Stage) -> None:
        if _stop(self._data_dir, self._name).exists():
            raise StoppedError
        now, last = time.time(), self._last
        same = last is not None and last.stage.message == stage.message
        if last is not None and same and now - last.written < _EVERY and stage.done < stage.total:
            return
        self._last = Underway(stage, last.began if last is not None and same else now, now)
        _write(self._data_dir, self._name, self._last)


def underway(data_dir: Path, name: str) -> Underway | None:
    """How far it has come; None where nobody asked for it."""
    try:
        return msgspec.json.decode(_path(data_dir, name).read_bytes(), type=Underway)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def ask_for(data_dir: Path, name: str) -> None:
    """It is wanted, and waits for a worker."""
    with suppress(OSError):
        _stop(data_dir, name).unlink(missing_ok=True)
    now = time.time()
    _write(data_dir, name, Underway(WAITING, now, now))


def ask_to_stop(data_dir: Path, name: str) -> None:
    """It is not wanted any more; what is at work on it ends within a moment."""
    if underway(data_dir, name) is not None:
        with suppress(OSError):
            _stop(data_dir, name).touch()
            _path(data_dir, name).unlink(missing_ok=True)


def forget_progress(data_dir: Path, name: str) -> None:
    """It has ended, in whatever way."""
    with suppress(OSError):
        _path(data_dir, name).unlink(missing_ok=True)
        _stop(data_dir, name).unlink(missing_ok=True)


def _write(data_dir: Path, name: str, said: Underway) -> None:
    """Where nothing can be written, the work itself will say so."""
    path = _path(data_dir, name)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, msgspec.json.encode(said), durable=False)


def _path(data_dir: Path, name: str) -> Path:
    return data_dir / "datasets" / f"{name}.progress.json"


def _stop(data_dir: Path, name: str) -> Path:
    return data_dir / "datasets" / f"{name}.stop"
