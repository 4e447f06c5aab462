"""Writes how it was started: by a fork server or by Python itself."""

import os
import signal
import sys
import threading
from pathlib import Path

SHOWN = {
    "stdin": sys.stdin.readline().strip(),
    "cwd": Path.cwd(),
    "arguments": sys.argv[1:],
    "name": __name__,
    "environment": sorted(os.environ),
    "threads": threading.active_count(),
    "signals": [signal.getsignal(number) for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM)],
    "torch": "torch" in sys.modules,
}
sys.stdout.writelines(f"{name}={value}\n" for name, value in SHOWN.items())
sys.exit(3)
