"""What a network says of one image."""

from typing import Literal

import msgspec

from scv.message import Message


class Guess(msgspec.Struct, frozen=True, kw_only=True):
    """A class, by its label and name, and its probability."""

    label: int
    name: str
    probability: float


class Familiarity(msgspec.Struct, frozen=True, kw_only=True):
    """How far an image is from those that the network learned from.

    `strangeness` is 1 at the limit, which `share_beyond` of the test images exceed; 0 is usual for them. `energy` (in
    nats) and `distance` (0 to 2, 1 minus a cosine) are the two scores that it is made of. `by` names the one that is
    more unusual.
    """

    strangeness: float
    unfamiliar: bool
    share_beyond: float
    energy: float
    distance: float
    by: Literal["energy", "distance"] = "energy"


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: `probabilities` of all classes, `guesses` the five most probable, the best one first.

    `entropy` is in bits: 0 where the network is sure, `most_entropy` where each class is as probable as the others.
    `familiarity` is None where it is not known what the network learned from. `notes` are to be read beside
    the answer.
    """

    probabilities: tuple[float, ...]
    guesses: tuple[Guess, ...]
    entropy: float
    most_entropy: float
    familiarity: Familiarity | None = None
    notes: tuple[Message, ...] = ()
