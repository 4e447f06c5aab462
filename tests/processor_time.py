"""Processor time of each test file, the processes that it starts included.

A pytest plugin: before its closing line, the test run prints the files that cost most. Time is user + system time of
this process, of the children that it has waited for, and of its descendants that still live: a server that several
files share is counted where it works. A process whose parent ended before it is lost from the sum. Under xdist each
worker measures its own tests, and the controller adds up.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SHOWN = 10
"""So many files are printed."""

COLLECTION = "(imports and collection)"

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def spent() -> float:
    """Seconds of processor time that this process and its descendants have used."""
    own = os.times()
    return own.user + own.system + own.children_user + own.children_system + _spent_by_living_descendants()


def _spent_by_living_descendants() -> float:
    """Seconds; 0 on a system without /proc."""
    ticks: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for folder in PROC.glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
        except OSError:  # It has ended meanwhile.
            continue
        # proc(5): after the name in parentheses come state, ppid, …, utime, stime, cutime, cstime (fields 14 to 17).
        fields = stat.rpartition(")")[2].split()
        ticks[int(folder.name)] = sum(map(int, fields[11:15]))
        children.setdefault(int(fields[1]), []).append(int(folder.name))
    total, waiting = 0, list(children.get(os.getpid(), []))
    while waiting:
        pid = waiting.pop()
        total += ticks[pid]
        waiting.extend(children.get(pid, []))
    return total / TICKS_PER_SECOND


class ProcessorTime:
    """Seconds of processor time by test file, measured when the file changes."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._before = 0.0

    def _charge(self, name: str) -> None:
        now = spent()
        self.seconds[name] += max(now - self._before, 0)  # type: ignore[assignment]
        self._before = now

    def pytest_collection_finish(self) -> None:
        self._charge(COLLECTION)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
        result = yield
        if nextitem is None or nextitem.path != item.path:
            self._charge(item.location[0])
        return result

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["processor_time"] = dict(self.seconds)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Under xdist: a worker has ended. One that crashed has told nothing."""
        self.seconds.update(getattr(node, "workeroutput", {}).get("processor_time", {}))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        total = sum(self.seconds.values())
        dearest = self.seconds.most_common(SHOWN)
        terminalreporter.section(f"processor time: {total:.0f} s, the {len(dearest)} dearest files")
        for name, seconds in dearest:
            terminalreporter.write_line(f"{seconds:8.1f} s  {name}")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(ProcessorTime(), "processor-time-measure")
