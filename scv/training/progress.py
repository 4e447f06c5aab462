"""What a training run says while it runs: the vocabulary between `ml.train`, the child, the stream and the page.

Accuracies are shares from 0 to 1, losses are mean cross-entropies in nats, times are seconds, epochs count from 1.
"""

import msgspec

from scv.message import Message


class Started(msgspec.Struct, tag="started", frozen=True, kw_only=True):
    """The data is resident and the network is built; training begins, or goes on after `resumed_epoch`."""

    device: str
    parameters: int
    epochs: int
    steps_per_epoch: int
    train_images: int
    validation_images: int
    test_images: int
    resumed_epoch: int = 0
    precision: str = "fp32"


class Progress(msgspec.Struct, tag="progress", frozen=True, kw_only=True):
    """Sent at most five times a second; the means are over this epoch so far."""

    epoch: int
    step: int
    steps: int
    train_loss: float
    train_accuracy: float
    images_per_second: float
    seconds_left: float
    done: float
    """Share of the whole run that is done, 0 to 1."""
    learning_rate: float = 0.0


class EpochMetrics(msgspec.Struct, tag="epoch", frozen=True, kw_only=True):
    """One finished epoch. `best` says that its weights are the best by validation accuracy so far.

    The training's figures are means over the epoch, while the weights changed and the images were varied.
    `learning_rate` is that of its last step; `images_per_second` counts training images in the time spent on them.
    Both are 0 in records that were written before there were these figures.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float
    best: bool
    learning_rate: float = 0.0
    images_per_second: float = 0.0


class Testing(msgspec.Struct, tag="testing", frozen=True, kw_only=True):
    """The best weights are being tested, once, on the whole test set."""

    best_epoch: int


class Result(msgspec.Struct, tag="result", frozen=True, kw_only=True):
    """A finished training. `weights` is the path of the safetensors file with the best weights."""

    test_accuracy: float
    test_loss: float
    epochs: int
    best_epoch: int
    validation_accuracy: float
    seconds: float
    parameters: int
    device: str
    dataset_hash: str
    libraries: dict[str, str]
    weights: str


class Stopped(msgspec.Struct, tag="stopped", frozen=True, kw_only=True):
    """Ended on request after `epochs` whole epochs; the best weights so far are kept where there are any."""

    epochs: int


class Paused(msgspec.Struct, tag="paused", frozen=True, kw_only=True):
    """Has kept its state after `epochs` whole epochs, on request, and goes on from there when it is asked to."""

    epochs: int


class Failed(msgspec.Struct, tag="failed", frozen=True, kw_only=True):
    """Ended by an error. `code` names its kind, such as diverged, out_of_memory, disk_full or time_limit.

    `message` is one sentence that says what to try.
    """

    code: str
    message: Message


Event = Started | Progress | EpochMetrics | Testing | Result | Stopped | Paused | Failed
