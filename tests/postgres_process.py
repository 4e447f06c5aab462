"""`python postgres_process.py POSTGRES FOLDER UID GID PID`: runs a server until the process PID has ended.

Nothing of it is left then, however PID ended. A file of its own, so that little is imported.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path


def main(program: str, folder: Path, user: int, group: int, session: int) -> None:
    """Keep the server over `{folder}/data`; as root it runs as that user."""
    other = {"user": user, "group": group, "extra_groups": []} if os.geteuid() == 0 else {}
    server = subprocess.Popen([program, "-D", str(folder / "data")], cwd=folder, **other)  # type: ignore[call-overload]
    try:
        while server.poll() is None and _exists(session):
            time.sleep(0.3)
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGINT)  # a fast shutdown: it waits for no client
            server.wait()
        shutil.rmtree(folder)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # no such folder outside Linux, or ended just now
        return not Path("/proc/self").exists()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
