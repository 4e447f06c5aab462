"""The parity certificate: the network here, the standalone script and the ONNX file give the same answers."""

from typing import Literal

import msgspec

from scv.message import Message

TOLERANCE = 1e-4
"""How far two logits may be apart, and still be called the same: float32 sums taken in another order."""

Form = Literal["network", "script", "onnx"]
"""The module that was trained, the class of the exported script with its own normalization, the file in onnxruntime."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two forms of one network on the same images.

    `difference` is the largest between two logits, None where a logit is no finite number. `agreement` is the share of
    images that get the same label, 0 to 1.
    """

    first: Form
    second: Form
    difference: float | None
    agreement: float

    @property
    def ok(self) -> bool:
        """Whether the two are the same: every label, and every logit within `TOLERANCE`."""
        return self.difference is not None and self.difference <= TOLERANCE and self.agreement == 1


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared, with what, and how much it differs.

    The images are `images` of the test set, evenly spread over it; where `dataset_hash` is None there was no test set
    at hand, and they are as many images of noise. `largest` is the largest size of a logit, by which a difference is
    to be judged. `problem` says why there is no ONNX file, which is then in no pair; `onnx` is its name beside the
    report.
    """

    pairs: tuple[Pair, ...]
    images: int
    dataset: str
    dataset_hash: str | None
    weights_hash: str
    largest: float | None
    libraries: dict[str, str]
    made_at: str
    """UTC, ISO 8601, to the second."""
    onnx: str | None = None
    problem: Message | None = None

    @property
    def ok(self) -> bool:
        """Whether all pairs are the same, and none is missing."""
        return self.problem is None and all(pair.ok for pair in self.pairs)
