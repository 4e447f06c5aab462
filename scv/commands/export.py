"""`scv export`: write a trained network as ONNX, safetensors, a script or a notebook."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from scv.commands.dataset_option import add_dataset, chosen
from scv.commands.failure import MisuseError
from scv.commands.weights_option import add_weights, data_dir_of, weights_of
from scv.data.atomic import write_atomically
from scv.data.official.catalogue import DATASETS, DatasetInfo
from scv.data.resident import ResidentError, open_resident
from scv.export.notebook import notebook
from scv.export.script import script
from scv.message import foreign
from scv.report.parity import Parity

if TYPE_CHECKING:  # these modules import torch, which takes seconds
    from scv.ml.trained import Trained, WeightsInfo

FORMATS = ("onnx", "safetensors", "script", "notebook")


def add_export(parser: ArgumentParser) -> None:
    """Add the arguments of `scv export`."""
    add_weights(parser)
    parser.add_argument("--format", required=True, choices=FORMATS, help="what is written")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="where it is written to")
    add_dataset(parser, "for a script or a notebook of your own images, where these are", required=False)


def export(arguments: Namespace) -> int:
    """Write the whole file or nothing. Returns 1 where its predictions differ from those of the network."""
    data_dir, output = data_dir_of(arguments), arguments.output
    path = weights_of(arguments.weights, data_dir)
    if output.exists() and not output.is_file():
        raise MisuseError(f"{output} is not a file.")

    from scv.ml.trained import load_trained

    trained = load_trained(path)
    parity = None
    match arguments.format:
        case "onnx":
            content, parity = _certified(trained, data_dir)
        case "safetensors":
            content = path.read_bytes()
        case form:
            title = foreign(output.stem, 100)
            info = _dataset(trained.info, arguments)
            document, settings = trained.info.document, trained.info.settings
            if form == "script":
                text = script(document, info, settings, title=title, file=foreign(output.name, 100))
            else:
                text = notebook(document, info, settings, title=title)
            content = text.encode()
    _write(output, content)
    if arguments.json:
        print(msgspec.json.encode(as_json(arguments.format, output, content, parity)).decode())
    else:
        print(f"{foreign(str(output), 400)}: {arguments.format}, {len(content):,} bytes")
        if parity is not None:
            _print(parity)
    return 0 if parity is None or parity.ok else 1


def as_json(form: str, output: Path, content: bytes, parity: Parity | None) -> dict[str, Any]:
    """The result as plain data; see docs/COMMANDS.md."""
    made: dict[str, Any] = {
        "format": form,
        # A file name may hold bytes that are not UTF-8.
        "file": str(output).encode(errors="replace").decode(),
        "bytes": len(content),
    }
    return made if parity is None else {**made, "same": parity.ok, "parity": parity}


def _certified(trained: "Trained", data_dir: Path) -> tuple[bytes, Parity]:
    """The ONNX file, and how exactly the file and the script agree with the network. Raises `ExportError`."""
    from scv.ml.export.onnx_export import onnx_bytes
    from scv.ml.export.parity import compare, noise_images, test_images

    info = trained.info
    content = onnx_bytes(trained)
    try:
        resident = open_resident(data_dir, info.dataset)
        if resident.hash == info.dataset_hash:
            return content, compare(trained, test_images(resident), resident.hash, content)
    except ResidentError:
        pass
    print(
        f"scv: {foreign(info.dataset)}, as the weights know it, is not in {data_dir}: compared on noise instead",
        file=sys.stderr,
    )
    return content, compare(trained, noise_images(info.input_shape), None, content)


def _dataset(info: "WeightsInfo", arguments: Namespace) -> DatasetInfo:
    """The dataset of the script. Raises `MisuseError` where the weights were trained on another one."""
    if arguments.dataset is None and info.dataset not in DATASETS:
        raise MisuseError("These weights were trained on images of your own: --dataset says where these are.")
    found = DATASETS[info.dataset] if arguments.dataset is None else chosen(arguments)
    if (found.shape, found.classes) != (info.input_shape, info.classes):
        raise MisuseError(
            f"{found.title} has images of {found.shape} and {found.classes} classes, but the weights are for "
            f"{info.input_shape} and {info.classes}."
        )
    if info.class_names and found.class_names != info.class_names:
        raise MisuseError(f"The classes of {found.title} are others than those of the weights.")
    return found


def _write(output: Path, content: bytes) -> None:
    try:
        write_atomically(output, content)
    except OSError as error:
        raise MisuseError(f"{output} cannot be written: {(error.strerror or '').lower()}.") from None


def _print(parity: Parity) -> None:
    of = "images of noise" if parity.dataset_hash is None else f"test images of {foreign(parity.dataset)}"
    print(f"compared on {parity.images} {of}:")
    for pair in parity.pairs:
        apart = "not finite" if pair.difference is None else f"{pair.difference:.1e}"
        print(f"  {pair.first:<7} and {pair.second:<6}  same label {pair.agreement:.2%}, logits apart by up to {apart}")
    if not parity.ok:
        print("  this is more than rounding explains: do not rely on the file")
