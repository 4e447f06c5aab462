"""A trained network as ONNX: one file that takes pixels as they are, checked and run before it is given out."""

import warnings
from collections import OrderedDict
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scv.blocks.codegen import named_calls
from scv.data.atomic import write_atomically
from scv.message import Message, foreign, say
from scv.ml.device import Normalize
from scv.ml.errors import ExportError
from scv.ml.export.onnx_layers import exportable
from scv.ml.trained import Trained
from scv.ml.weights import content_hash

# onnx, onnxscript and onnxruntime take a second to import together, and only an export needs them: see `_convert`.

OPSET = 20
"""The version of ONNX's operators: the first that has GELU. onnxruntime knows it since 1.17 (February 2024)."""

INPUT, OUTPUT = "pixels", "logits"

MOST_BYTES = 2_000_000_000
"""One file of Protocol Buffers holds no more than 2 GiB."""

_TRIAL = 3
"""Images that every export is tried with: another number than the graph was traced with."""

_TOLERANCE = 1e-3
"""How far a trial may be off, in shares of the largest logit: rounding stays far below, a wrong operator far above."""

_OTHER_NUMBERS = say("its numbers would differ.")


def export_onnx(trained: Trained, path: Path) -> None:
    """Write the network as one ONNX file, whole or not at all. Raises `ExportError`, and `OSError` for the disk."""
    write_atomically(path, onnx_bytes(trained))


def onnx_bytes(trained: Trained) -> bytes:
    """The ONNX file of a network: `pixels` (B, C, H, W), float32 of 0 to 255, to `logits` (B, classes).

    B is free. The normalization is part of the graph; names of classes and what the weights come from are in the
    metadata. ONNX's checker has passed it, and onnxruntime gives the network's own logits. Raises `ExportError`.
    """
    needed = sum(part.numel() * part.element_size() for part in trained.network.state_dict().values())
    if needed > MOST_BYTES:
        size = f"{needed / 1e9:.1f}"
        raise ExportError(say("The weights take {size} GB; a file of ONNX holds no more than 2 GB.", size=size))
    network = nn.Sequential(OrderedDict(normalize=_Normalization(trained.normalize)))
    for name, layer in trained.network.named_children():
        network.add_module(name, exportable(layer))
    shape = trained.info.input_shape
    try:
        proto = _convert(network.eval(), shape)
        _describe(proto, trained)
        content: bytes = proto.SerializeToString(deterministic=True)
        _try(content, trained)
    except ExportError:
        raise
    except Exception as error:  # torch, onnxscript, onnx and onnxruntime have no common one
        raise ExportError(_which(trained, _reason(error))) from error
    return content


class OnnxSession:
    """An ONNX file in onnxruntime, on the CPU."""

    def __init__(self, content: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4  # what fails is raised, and need not be printed as well
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def logits(self, pixels: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
        """Pixels 0 to 255, (B, C, H, W), to logits (B, classes)."""
        (logits,) = self._session.run([OUTPUT], {INPUT: pixels.astype(np.float32)})
        return np.asarray(logits, dtype=np.float32)


class _Normalization(nn.Module):
    """`Normalize` as a layer, whose numbers become constants of the graph."""

    def __init__(self, normalize: Normalize) -> None:
        super().__init__()
        self.scale = nn.Buffer(normalize.scale)
        self.offset = nn.Buffer(normalize.offset)

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels * self.scale + self.offset


def _convert(network: nn.Module, shape: Sequence[int]) -> Any:
    """The network in evaluation mode as an `onnx.ModelProto` that ONNX's checker has passed, its batch left free."""
    with warnings.catch_warnings():
        # torch 2.13's own use of a class that it has deprecated
        warnings.filterwarnings("ignore", "`isinstance.treespec, LeafSpec.` is deprecated", FutureWarning)
        program = torch.onnx.export(
            network,
            (torch.zeros(2, *shape),),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("the exporter gave no program")
    proto = program.model_proto
    graph = proto.graph
    # Traces of the exporter, with paths of this machine in them.
    for part in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    import onnx

    onnx.checker.check_model(proto.SerializeToString(), full_check=True)
    return proto


def _describe(proto: Any, trained: Trained) -> None:
    """Write into the file what it takes, what it gives and what it comes from."""
    info = trained.info
    channels, height, width = info.input_shape
    proto.producer_name, proto.producer_version = "SCV", version("scv")
    proto.graph.name = "network"
    proto.doc_string = (
        f"An image classifier made with SCV and trained on {info.dataset}.\n"
        f"Input '{INPUT}': float32 (batch, {channels}, {height}, {width}), the pixels of the images as they are, from "
        "0 to 255, channels first, as red, green and blue or as one of brightness. The normalization by mean and "
        "standard deviation is part of the graph: do not normalize them yourself.\n"
        f"Output '{OUTPUT}': float32 (batch, {info.classes}), a score for each class before the softmax, in the order "
        "of class_names in the metadata. The class with the largest is the answer."
    )
    facts = {
        "class_names": trained.class_names,
        "mean": info.mean,
        "std": info.std,
        "dataset": info.dataset,
        "dataset_hash": info.dataset_hash,
        "input_shape": info.input_shape,
        "pixels": "float32 of 0 to 255; normalized within the graph",
        "weights_hash": content_hash(trained.network.state_dict()),
        "epoch": info.epoch,
        "scv_version": version("scv"),
    }
    for name, value in facts.items():
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        proto.metadata_props.add(key=name, value=text)


def _try(content: bytes, trained: Trained) -> None:
    """Run the file once. Raises `ExportError` where its logits are not the network's."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (_TRIAL, *trained.info.input_shape), dtype=np.uint8)
    with torch.inference_mode():
        ours = trained.logits(torch.from_numpy(pixels)).numpy()
    if not _same(ours, OnnxSession(content).logits(pixels)):
        raise ExportError(_which(trained, _OTHER_NUMBERS))


def _which(trained: Trained, reason: Message | str) -> Message:
    """Why the network does not become ONNX: the first block that does not either when it stands alone."""
    info = trained.info
    kinds = {block.id: block.type for block in info.document.blocks}
    for named in named_calls(info.document, info.input_shape, info.classes):
        alone = _alone(getattr(trained.network, named.name), named.input)
        if alone is not None:
            return say(
                "Block {block} ({type}) cannot be written as ONNX with these settings: {reason}",
                block=foreign(named.block),
                type=foreign(kinds[named.block]),
                reason=alone,
            )
    return say("The network cannot be written as ONNX: {reason}", reason=reason)


def _alone(layer: nn.Module, shape: Sequence[int]) -> Message | str | None:
    """What goes wrong when one layer goes through all that a network goes through; None where nothing does."""
    inputs = np.random.default_rng(0).random((_TRIAL, *shape), dtype=np.float32)
    try:
        proto = _convert(nn.Sequential(exportable(layer)).eval(), shape)
        theirs = OnnxSession(proto.SerializeToString()).logits(inputs)
    except Exception as error:  # noqa: BLE001 - as in `onnx_bytes`
        return _reason(error)
    with torch.inference_mode():
        ours = layer(torch.from_numpy(inputs)).numpy()
    return None if _same(ours, theirs) else _OTHER_NUMBERS


def _same(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> bool:
    """Whether two logits are the same but for rounding; a network that overflows has nothing to compare."""
    if ours.shape != theirs.shape or not np.isfinite(ours).all():
        return ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max()) <= _TOLERANCE * max(1.0, float(np.abs(ours).max()))


def _reason(error: BaseException) -> str:
    """What a library says first of what went wrong, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return foreign(" ".join(str(error).split()), 200)
