"""What holds for all tests."""

import io
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from scv.log import configure_log

# As `scv` itself does, and before torch is loaded: its waiting threads must not spin on cores that tests share.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

pytest_plugins = ["tests.processor_time"]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines that were logged since the last call, as a process of SCV writes them where JSON is wanted."""
    written = io.StringIO()
    root = logging.getLogger()
    handlers, level, hooks = root.handlers, root.level, (sys.excepthook, threading.excepthook)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", written)
        configure_log("json", "test")

    def read() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in written.getvalue().splitlines()]
        written.seek(0)
        written.truncate()
        return [line for line in lines if line["logger"] != "httpx"]  # the client is no part of SCV

    yield read
    logging.captureWarnings(False)
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level
    sys.excepthook, threading.excepthook = hooks
