"""The parity certificate: the same images through the network, the exported script and the ONNX file."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scv.data.atomic import write_atomically
from scv.data.official.catalogue import DATASETS
from scv.data.resident import Resident
from scv.export.script import script
from scv.ml.errors import ExportError
from scv.ml.export.onnx_export import OnnxSession, onnx_bytes
from scv.ml.hooks import OnProgress
from scv.ml.trained import Trained, WeightsInfo
from scv.ml.weights import content_hash
from scv.report.parity import Form, Pair, Parity
from scv.training.recipe import ScriptDataset

IMAGES = 256
"""So many test images are compared, or all where there are fewer."""

ONNX = "network.onnx"

_BATCH = 60
"""No divisor of `IMAGES`: the last batch is of another size."""

_LIBRARIES = ("scv", "torch", "onnx", "onnxscript", "onnxruntime", "numpy", "safetensors")


def make_parity(trained: Trained, resident: Resident, folder: Path, on_progress: OnProgress) -> Parity:
    """Compare the three forms on test images, and leave the ONNX file in `folder` where there can be one."""
    file = onnx_or_why_not(trained)
    on_progress(0.5)
    made = compare(trained, test_images(resident), resident.hash, file, lambda done: on_progress(0.5 + done / 2))
    if isinstance(file, bytes):
        write_atomically(folder / ONNX, file)
        made = msgspec.structs.replace(made, onnx=ONNX)
    return made


def onnx_or_why_not(trained: Trained) -> bytes | ExportError:
    """The network's ONNX file, or why there is none."""
    try:
        return onnx_bytes(trained)
    except ExportError as error:
        return error


def test_images(resident: Resident) -> NDArray[np.uint8]:
    """`IMAGES` of the test images, evenly spread and in order, or all of them: (N, C, H, W)."""
    number = len(resident.test_images)
    count = min(IMAGES, number)
    return np.asarray(resident.test_images[np.arange(count) * number // count])


def noise_images(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """As many images of noise, where no test images are at hand: (N, C, H, W), always the same."""
    return np.random.default_rng(0).integers(0, 256, (IMAGES, *shape), dtype=np.uint8)


def compare(
    trained: Trained,
    images: NDArray[np.uint8],
    dataset_hash: str | None,
    file: bytes | ExportError,
    on_progress: OnProgress = lambda done: None,
) -> Parity:
    """The certificate over images (N, C, H, W) of a dataset, whose hash is None for noise; `file` is the ONNX file."""
    forms: dict[Form, Callable[[NDArray[np.uint8]], NDArray[np.float32]]] = {
        "network": lambda pixels: trained.logits(torch.from_numpy(pixels)).numpy(),
        "script": script_logits(trained),
    }
    if isinstance(file, bytes):
        forms["onnx"] = OnnxSession(file).logits
    logits: dict[Form, list[NDArray[np.float32]]] = {form: [] for form in forms}
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            for form, answer in forms.items():
                logits[form].append(answer(images[start : start + _BATCH]))
            on_progress(min(1.0, (start + _BATCH) / len(images)))
    whole = {form: np.concatenate(parts) for form, parts in logits.items()}  # (N, classes) each
    largest = float(np.abs(whole["network"]).max())
    return Parity(
        pairs=tuple(_pair(first, second, whole[first], whole[second]) for first, second in combinations(whole, 2)),
        images=len(images),
        dataset=trained.info.dataset,
        dataset_hash=dataset_hash,
        weights_hash=content_hash(trained.network.state_dict()),
        largest=largest if np.isfinite(largest) else None,
        libraries={"python": sys.version.split()[0], **{name: version(name) for name in _LIBRARIES}},
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        problem=file.message if isinstance(file, ExportError) else None,
    )


def _pair(first: Form, second: Form, ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> Pair:
    with np.errstate(invalid="ignore"):  # infinite ones have no difference
        difference = float(np.abs(ours - theirs).max())  # (N, classes)
    return Pair(
        first=first,
        second=second,
        difference=difference if np.isfinite(difference) else None,
        agreement=float((ours.argmax(1) == theirs.argmax(1)).mean()),
    )


def script_logits(trained: Trained) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """What the exported script makes of pixels 0 to 255, (B, C, H, W): logits (B, classes).

    The whole script is carried out but for its `main`. Its own `Model` gets the weights, its own `prepare` the pixels.
    Mean and spread are those in the weights, which its `statistics` gives for the training set.
    """
    info = trained.info
    source = script(info.document, script_dataset(info), info.settings)
    space: dict[str, Any] = {"__name__": "model"}
    exec(compile(source, "model.py", "exec"), space)  # noqa: S102 - our own source, the same that users read
    model = space["Model"]()
    model.load_state_dict(trained.network.state_dict())
    model.eval()
    mean, std = (torch.tensor(part).view(1, -1, 1, 1) for part in (info.mean, info.std))  # (1, C, 1, 1)

    def logits(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        made: Tensor = model(space["prepare"](torch.from_numpy(pixels), mean, std))
        return np.asarray(made.numpy(), dtype=np.float32)

    return logits


class _Images(msgspec.Struct, frozen=True):
    """Images of one's own, as far as the weights tell: not where they lie."""

    title: str
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    script_loader: str = ""
    script_folder: str = ""
    validation_size: int = 0


def script_dataset(info: WeightsInfo) -> ScriptDataset:
    """What the script must know of the dataset; for images of one's own it has no loader."""
    names = info.class_names or tuple(map(str, range(info.classes)))
    return DATASETS.get(info.dataset) or _Images(info.dataset, info.input_shape, names)
