"""What a report says in plain words, and where its figures come from: the section `summary`."""

from typing import Literal

import msgspec

from scv.message import Message
from scv.training.settings import TrainingSettings

Tone = Literal["good", "fair", "bad"]


class Sentence(msgspec.Struct, frozen=True):
    """One finding. `section` is where its figures are; `tone` is how it is shown."""

    section: str
    tone: Tone
    message: Message


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What the weights were trained by, and what the report was made by; what is not known is None or empty.

    `same_data` says whether the data of the report is that of the training. `seconds` is the training's wall time.
    """

    dataset: str
    dataset_hash: str
    same_data: bool
    input_shape: tuple[int, int, int]
    classes: int
    train_images: int
    test_images: int
    epoch: int
    settings: TrainingSettings
    parameters: int
    weights: str
    """`sha256:` and the hex digest of weights and their description."""
    libraries: dict[str, str]
    """Versions that the report was made with."""
    training_libraries: dict[str, str]
    training_device: str | None
    epochs: int | None
    seconds: float | None
    validation_accuracy: float | None
    test_accuracy: float | None


class Summary(msgspec.Struct, frozen=True):
    """The sentences, the most important first, and the provenance of all figures."""

    sentences: tuple[Sentence, ...]
    provenance: Provenance
