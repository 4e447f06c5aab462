"""Training settings of a version: what can be set, its range, default and help."""

import msgspec

from scv.blocks.message import Message, mark
from scv.blocks.params import Decimal, Integer, Param, ParamError


class TrainingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a network is trained: Adam on the cross-entropy. Ranges are in `FIELDS`."""

    epochs: int = 3
    batch_size: int = 64
    learning_rate: float = 0.001
    seed: int = 0

    def problems(self) -> list[Message]:
        """One message for each value out of range; empty when all is well."""
        found: list[Message] = []
        for field in FIELDS:
            try:
                field.validate(getattr(self, field.name))
            except ParamError as error:
                found.append(error.message)
        return found


FIELDS: tuple[Param, ...] = (
    Integer(
        name="epochs",
        label=mark("Epochs"),
        default=3,
        minimum=1,
        maximum=500,
        help=mark("How often the whole training set is shown."),
    ),
    Integer(
        name="batch_size",
        label=mark("Batch size"),
        default=64,
        minimum=1,
        maximum=4096,
        help=mark("Images looked at before each small change of the weights."),
    ),
    Decimal(
        name="learning_rate",
        label=mark("Learning rate"),
        default=0.001,
        minimum=1e-7,
        maximum=10.0,
        help=mark(
            "How large each change of the weights is: it rises to three times this value in the first tenth of the "
            "training, then falls to zero."
        ),
    ),
    Integer(
        name="seed",
        label=mark("Seed"),
        default=0,
        minimum=0,
        maximum=2**31 - 1,
        help=mark("The same seed gives the same start and the same order of images."),
    ),
)
