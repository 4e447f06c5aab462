"""Weights with all that belongs to them: a network that is ready to answer."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format

from scv.blocks.check import check
from scv.blocks.codegen import InvalidDocumentError
from scv.blocks.document import Document
from scv.blocks.findings import Check
from scv.data.official.catalogue import DATASETS
from scv.message import foreign, say
from scv.ml.build import build
from scv.ml.cost import Cost, cost_of
from scv.ml.device import Normalize
from scv.ml.errors import WeightsError
from scv.ml.weights import content_hash, read_tensors
from scv.training.settings import TrainingSettings


class WeightsInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON in `weights.safetensors`: all it takes to use the weights without the rest of SCV."""

    document: Document
    dataset: str
    dataset_hash: str
    input_shape: tuple[int, int, int]
    classes: int
    class_names: tuple[str, ...] = ()
    mean: tuple[float, ...]
    std: tuple[float, ...]
    settings: TrainingSettings
    epoch: int


@dataclass(frozen=True)
class Trained:
    """A network with its best weights, in evaluation mode, on the CPU."""

    info: WeightsInfo
    network: nn.Sequential
    normalize: Normalize

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the classes are called, in the order of the logits. Weights of earlier versions do not say it."""
        if self.info.class_names:
            return self.info.class_names
        known = DATASETS.get(self.info.dataset)
        return known.class_names if known else tuple(map(str, range(self.info.classes)))

    @cached_property
    def checked(self) -> Check:
        """Shapes, parameters and costs of its blocks."""
        return check(self.info.document, self.info.input_shape, self.info.classes)

    @cached_property
    def cost(self) -> Cost:
        """What it costs to ask the network."""
        return cost_of(self.checked, self.info.input_shape)

    def logits(self, pixels: Tensor) -> Tensor:
        """Pixels 0 to 255, uint8 or float, (B, C, H, W), to logits (B, classes)."""
        logits: Tensor = self.network(self.normalize(pixels))
        return logits


def identity_of(trained: Trained) -> str:
    """A name of the network: `sha256:` and the hex digest of its weights and of everything in `info`.

    `weights.content_hash` covers the weights alone.
    """
    digest = hashlib.sha256(msgspec.json.encode(trained.info))
    digest.update(content_hash(trained.network.state_dict()).encode())
    return f"sha256:{digest.hexdigest()}"


def load_trained(path: Path) -> Trained:
    """Read `weights.safetensors` and build its network. Raises `WeightsError`."""
    try:
        tensors, metadata = read_tensors(path)
        info = msgspec.json.decode(metadata, type=WeightsInfo)
        network = build(info.document, info.input_shape, info.classes)
        network.load_state_dict(tensors)
    except OSError as error:
        reason = foreign((error.strerror or "unknown reason").lower())
        message = say("{file} cannot be read: {reason}.", file=foreign(path.name), reason=reason)
        raise WeightsError(message) from error
    except (SafetensorError, msgspec.DecodeError, InvalidDocumentError, RuntimeError, ValueError) as error:
        message = say("{file} holds no weights of SCV's, or damaged ones.", file=foreign(path.name))
        raise WeightsError(message) from error
    convert_conv2d_weight_memory_format(network.eval(), torch.channels_last)
    return Trained(info, network, Normalize(info.mean, info.std, torch.device("cpu")))
