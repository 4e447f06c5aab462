import subprocess
import sys

from scv.ml import vision


def test_torchvision_loads_with_or_without_its_compiled_operators() -> None:
    code = "from scv.ml import vision; from torchvision.transforms import v2; print(vision.datasets.MNIST.__name__)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "MNIST\n", "")


def test_it_tells_its_version() -> None:
    assert vision.version.startswith("0.28.")
