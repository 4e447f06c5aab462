"""How far the report of a run is, why it failed, and the wish to stop it: small files in the report's own folder.

`underway.json` is there from the moment that somebody asks for the report until the work on it ends. Work that was
killed leaves it: whoever looks at the report then asks for it again. `stopped` stays until somebody wants the report.
"""

import time
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from scv.data.atomic import write_atomically
from scv.message import Message

S = TypeVar("S")

_UNDERWAY, _STOPPED, _FAILURE = "underway.json", "stopped", "failure.json"

_EVERY = 0.25  # seconds between two writings about one section


class ReportStoppedError(Exception):
    """Somebody asked for it to be stopped, or its run was deleted."""


class ReportUnderway(msgspec.Struct, frozen=True):
    """The section that is being made, and which share is done of it and of the whole, 0 to 1.

    `section` is empty while it waits. Work began at `began` with the share `before`; both moments are seconds since
    1970.
    """

    section: str = ""
    share: float = 0.0
    of_all: float = 0.0
    began: float = 0.0
    before: float = 0.0
    written: float = 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long it still takes if it goes on as it went; None where that cannot be told yet."""
        passed, done = self.written - self.began, self.of_all - self.before
        if passed < 2 or done < 0.03:
            return None
        return passed * max(0.0, 1 - self.of_all) / done


class ReportTeller:
    """Writes what `make_report` says into the file; raises `ReportStoppedError` once that is wished for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: ReportUnderway | None = None

    def __call__(self, section: str, share: float, of_all: float) -> None:
        if (self._folder / _STOPPED).exists() or not self._folder.exists():
            raise ReportStoppedError
        now, last = time.time(), self._last
        if last is not None and last.section == section and now - last.written < _EVERY and share < 1:
            return
        began, before = (now, of_all) if last is None else (last.began, last.before)
        self._last = ReportUnderway(section, share, of_all, began, before, now)
        _write(self._folder / _UNDERWAY, self._last)


def report_underway(folder: Path) -> ReportUnderway | None:
    """How far it has come; None where nobody wants it, or it has ended."""
    return _read(folder / _UNDERWAY, ReportUnderway)


def report_stopped(folder: Path) -> bool:
    """Whether somebody stopped it, and nobody wants it since."""
    return (folder / _STOPPED).exists()


def report_failure(folder: Path) -> Message | None:
    """Why there is no report, or no more of it."""
    return _read(folder / _FAILURE, Message)


def ask_for_report(folder: Path) -> None:
    """It is wanted, and waits for a worker; what was said of it before is forgotten."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _STOPPED).unlink(missing_ok=True)
        (folder / _FAILURE).unlink(missing_ok=True)
    if report_underway(folder) is None:
        _write(folder / _UNDERWAY, ReportUnderway())


def ask_to_stop_report(folder: Path) -> None:
    """It is not wanted any more; what is at work on it ends within a moment."""
    if report_underway(folder) is not None:
        with suppress(OSError):
            (folder / _STOPPED).touch()
            (folder / _UNDERWAY).unlink(missing_ok=True)


def end_report(folder: Path, failure: Message | None = None) -> None:
    """The work has ended: for good, as somebody wished, or since it failed."""
    with suppress(OSError):
        (folder / _UNDERWAY).unlink(missing_ok=True)
    if failure is not None and folder.exists():
        _write(folder / _FAILURE, failure)


def _write(path: Path, said: msgspec.Struct) -> None:
    """Where nothing can be written, the work itself will say so."""
    with suppress(OSError):
        write_atomically(path, msgspec.json.encode(said), durable=False)


def _read(path: Path, kind: type[S]) -> S | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
