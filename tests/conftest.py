"""What holds for all tests."""

import os

# As `scv` itself does, and before torch is loaded: its waiting threads must not spin on cores that tests share.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
