"""Training settings of a version: what can be set, its range, default and help.

The form, `scv train --help` and the documentation read `FIELDS`; `recipe` says what each value does.
"""

from typing import Literal, Protocol, get_args

import msgspec

from scv.blocks.params import Choice, Decimal, Flag, Integer, Param, ParamError
from scv.message import Message, mark, say
from scv.training.optimizers import OPTIMIZERS, suitable_rates
from scv.training.schedules import SCHEDULES, described_schedules

Precision = Literal["fp32", "bf16"]
Device = Literal["auto", "cpu", "cuda", "mps"]


class TrainingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a network is trained on the cross-entropy. Defaults stand here, ranges and help in `FIELDS`.

    A field that is new keeps a default that changes nothing: older snapshots lack it and must mean what they did.
    """

    epochs: int = 3
    batch_size: int = 64
    learning_rate: float = 0.001
    seed: int = 0
    seeds: int = 1
    optimizer: str = "Adam"
    schedule: str = "one-cycle"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    shift: int = 0
    flip: bool = False
    rotation: int = 0
    crop: int = 0
    cutout: int = 0
    train_percent: int = 100
    validation_percent: int = 10
    patience: int = 0
    precision: Precision = "fp32"
    device: Device = "auto"

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS or self.schedule not in SCHEDULES:
            raise ValueError(f"there is no optimizer {self.optimizer}, or no schedule {self.schedule}")

    def problems(self) -> list[Message]:
        """One message for each value out of range; empty when all is well."""
        found: list[Message] = []
        for field in FIELDS:
            try:
                field.validate(getattr(self, field.name))
            except ParamError as error:
                found.append(error.message)
        return found


class TrainingData(Protocol):
    """What the settings depend on of a dataset."""

    @property
    def epochs(self) -> int: ...
    @property
    def mirrored(self) -> bool: ...
    @property
    def train_size(self) -> int: ...


def defaults(dataset: TrainingData) -> TrainingSettings:
    """What a new model of the dataset starts with. Images are flipped only where that leaves their class.

    Of few images a batch takes a quarter at most, as a power of two, so that an epoch is some steps.
    """
    quarter = max(1, dataset.train_size // 4)
    batch = min(TrainingSettings().batch_size, 2 ** (quarter.bit_length() - 1))
    return TrainingSettings(epochs=dataset.epochs, flip=dataset.mirrored, batch_size=batch)


LOWEST_RATE = 1e-7


def lower_rate(settings: TrainingSettings) -> float:
    """The learning rate to try where this one is too large."""
    return max(LOWEST_RATE, min(OPTIMIZERS[settings.optimizer].rate, float(f"{settings.learning_rate / 10:.1g}")))


_DEFAULTS = TrainingSettings()

FIELDS: tuple[Param, ...] = (
    Integer(
        name="epochs",
        label=mark("Epochs"),
        default=_DEFAULTS.epochs,
        minimum=1,
        maximum=500,
        help=mark("How many times the network sees the whole training set."),
        main=True,
    ),
    Integer(
        name="batch_size",
        label=mark("Batch size"),
        default=_DEFAULTS.batch_size,
        minimum=1,
        maximum=4096,
        help=mark("Number of images in each training step."),
        main=True,
    ),
    Choice(
        name="optimizer",
        label=mark("Optimizer"),
        default=_DEFAULTS.optimizer,
        options=tuple(OPTIMIZERS),
        help=say("How the weights are updated. Usual learning rates: {rates}.", rates=suitable_rates()),
        main=True,
    ),
    Decimal(
        name="learning_rate",
        label=mark("Learning rate"),
        default=_DEFAULTS.learning_rate,
        minimum=LOWEST_RATE,
        maximum=10.0,
        help=mark("How far the weights move at each step, before the schedule changes it."),
        main=True,
    ),
    Choice(
        name="schedule",
        label=mark("Schedule"),
        default=_DEFAULTS.schedule,
        options=tuple(SCHEDULES),
        help=say("How the learning rate changes. {schedules}.", schedules=described_schedules()),
    ),
    Decimal(
        name="weight_decay",
        label=mark("Weight decay"),
        default=_DEFAULTS.weight_decay,
        minimum=0.0,
        maximum=1.0,
        help=mark("Pulls all weights towards zero, which reduces overfitting (memorising the training images)."),
    ),
    Decimal(
        name="label_smoothing",
        label=mark("Label smoothing"),
        default=_DEFAULTS.label_smoothing,
        minimum=0.0,
        maximum=0.5,
        help=mark(
            "The share of each label that is spread over all classes, so that the network does not become "
            "overconfident."
        ),
    ),
    Integer(
        name="shift",
        label=mark("Shift"),
        default=_DEFAULTS.shift,
        minimum=0,
        maximum=8,
        help=mark("Moves each training image by up to this many pixels, differently in each epoch."),
    ),
    Flag(
        name="flip",
        label=mark("Flip"),
        default=_DEFAULTS.flip,
        help=mark("Mirrors half of the training images left to right; wrong for digits and letters."),
    ),
    Integer(
        name="rotation",
        label=mark("Rotation"),
        default=_DEFAULTS.rotation,
        minimum=0,
        maximum=45,
        help=mark("Turns each training image by up to so many degrees either way."),
    ),
    Integer(
        name="crop",
        label=mark("Crop (%)"),
        default=_DEFAULTS.crop,
        minimum=0,
        maximum=50,
        help=mark("Cuts up to so many percent off each side's length, and enlarges what is left."),
    ),
    Integer(
        name="cutout",
        label=mark("Cutout"),
        default=_DEFAULTS.cutout,
        minimum=0,
        maximum=16,
        help=mark("Hides a black square of so many pixels a side somewhere in each training image."),
    ),
    Integer(
        name="train_percent",
        label=mark("Training data (%)"),
        default=_DEFAULTS.train_percent,
        minimum=1,
        maximum=100,
        help=mark("The share of the training images that is used, the same for each class."),
    ),
    Integer(
        name="validation_percent",
        label=mark("Validation data (%)"),
        default=_DEFAULTS.validation_percent,
        minimum=5,
        maximum=50,
        help=mark(
            "How much of each class is held out, to choose the best epoch by. A dataset that has images of its own "
            "for validation holds out those instead."
        ),
    ),
    Integer(
        name="patience",
        label=mark("Patience"),
        default=_DEFAULTS.patience,
        minimum=0,
        maximum=100,
        help=mark("Ends the training after so many epochs without a better one; 0 trains all epochs."),
    ),
    Integer(
        name="seed",
        label=mark("Seed"),
        default=_DEFAULTS.seed,
        minimum=0,
        maximum=2**31 - 1,
        help=mark("The same seed gives the same start and the same order of images."),
    ),
    Integer(
        name="seeds",
        label=mark("Number of seeds"),
        default=_DEFAULTS.seeds,
        minimum=1,
        maximum=10,
        help=mark(
            "How many times Run trains the network, each time from another seed. Their mean and spread show "
            "what is due to chance."
        ),
    ),
    Choice(
        name="precision",
        label=mark("Precision"),
        default=_DEFAULTS.precision,
        options=get_args(Precision),
        help=mark("bf16 computes with 16 bits, faster on an NVIDIA GPU; elsewhere it is fp32 all the same."),
    ),
    Choice(
        name="device",
        label=mark("Device"),
        default=_DEFAULTS.device,
        options=get_args(Device),
        help=mark("Where it is trained: auto takes what the server is set to use."),
    ),
)
