"""What the figures of a training say, in plain words, and what to change.

The thresholds are set on curves of real trainings of Digits and MNIST, and tested on some (tests/ml/test_diagnosis.py).
Accuracies are shares from 0 to 1, losses mean cross-entropies in nats.
"""

from collections.abc import Sequence
from decimal import Decimal
from math import log
from statistics import fmean
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from scv.message import Message, say
from scv.training.accuracy import Accuracy, compare
from scv.training.optimizers import OPTIMIZERS
from scv.training.settings import FIELDS, TrainingSettings, lower_rate


def guessing(classes: int) -> float:
    """Accuracy up to which answers are guesses: half as much again as a guess has, five points more at most.

    Of 140 images and ten classes 15 % right come about by chance in one of thirty trials.
    """
    return min(1.5 / classes, 1 / classes + 0.05)


def something_learned(classes: int) -> float:
    """Accuracy from which on something was learned: twice that of a guess, ten points more at most; of 140 images and
    ten classes that is four standard deviations."""
    return min(2 / classes, 1 / classes + 0.1)


PATIENCE = 3
"""Epochs before a running training is called stuck: with a small rate the first ones show little."""

FALLEN_BACK = 0.1
"""So much less training accuracy than it had, with twice the lowest loss, is no unrest: with a constant rate of 0.03
Adam's epochs on Digits differ by 0.03."""

GAP = 0.05
"""From so much on, what is known of the training images and not of others is more than chance: of 140 validation
images at 95 %, one standard deviation is 1.8 points, of 6,000 it is 0.3."""

SMALL_GAP, RISING = 0.02, 1.25
"""A smaller gap counts where the validation loss has also risen by a quarter above its lowest: the network grows surer
of wrong answers."""

UNEXPLAINED = 0.25
"""The share of a guess's loss that is left where a network is called too simple: on Digits a linear classifier ends at
0.1 of it, a network of one filter at 0.5."""

GAIN = 0.01
"""What the last fifth of the epochs must have brought over the fifth before to promise more, in accuracy both of the
training and the validation: of LeNet's 5 epochs on Digits the last brings 0.01 and 0.02, of 30 the last six nothing."""


class EpochFigures(Protocol):
    """What is looked at of an epoch: `progress.EpochMetrics` and the database's row are both of this form."""

    @property
    def train_loss(self) -> float: ...
    @property
    def train_accuracy(self) -> float: ...
    @property
    def validation_loss(self) -> float: ...
    @property
    def validation_accuracy(self) -> float: ...


Kind = Literal["learning", "underfitting", "overfitting", "diverging", "stuck", "unfinished"]


class Diagnosis(msgspec.Struct, frozen=True):
    """`message` says what is seen, `advice` what to do; `change` are settings that do it, where settings can."""

    kind: Kind
    message: Message
    advice: Message
    change: dict[str, Any] = {}


class Evidence(NamedTuple):
    """What the accuracies rest on. `test` is None before the test."""

    validation_images: int
    test: Accuracy | None = None


def diagnose(
    epochs: Sequence[EpochFigures],
    classes: int,
    settings: TrainingSettings,
    *,
    finished: bool,
    evidence: Evidence | None = None,
) -> tuple[Diagnosis, ...]:
    """What the epochs of a training show: one thing, the gravest, or nothing while it is too early to say.

    A training that is `finished` has trained all that it was to, by its epochs or by its patience. `epochs` may be
    those of a run that failed; what its error says then goes before what is found here. Where there is a test result,
    the verdict speaks from it.
    """
    if not epochs:
        return ()
    last, mean = epochs[-1], _Means(epochs)
    learned = max(max(epoch.train_accuracy, epoch.validation_accuracy) for epoch in epochs) >= something_learned(
        classes
    )
    if max(last.train_accuracy, last.validation_accuracy) < guessing(classes) and not learned:
        return (_stuck(epochs, classes, settings),) if finished or len(epochs) >= PATIENCE else ()
    if _diverges(epochs, classes, learned=learned):
        return (_diverging(epochs, settings),)
    gap = mean.train_accuracy - mean.validation_accuracy
    rises = mean.validation_loss > RISING * min(epoch.validation_loss for epoch in epochs)
    if gap >= GAP or (gap >= SMALL_GAP and rises):
        return (_overfitting(mean, settings),)
    if finished and _gain(epochs) >= GAIN:
        return (_unfinished(epochs, settings),)
    if finished and last.train_loss > UNEXPLAINED * log(classes):
        return (_underfitting(last, settings),)
    return (_learning(max(epoch.validation_accuracy for epoch in epochs), settings, evidence),)


class _Means:
    """Figures of the last epochs, three at most: single ones are restless."""

    def __init__(self, epochs: Sequence[EpochFigures]) -> None:
        late = epochs[-min(3, max(1, len(epochs) // 3)) :]
        self.train_accuracy = fmean(epoch.train_accuracy for epoch in late)
        self.validation_accuracy = fmean(epoch.validation_accuracy for epoch in late)
        self.validation_loss = fmean(epoch.validation_loss for epoch in late)


def _diverges(epochs: Sequence[EpochFigures], classes: int, *, learned: bool) -> bool:
    last = epochs[-1]
    if learned and max(last.train_accuracy, last.validation_accuracy) < guessing(classes):
        return True
    fallen = max(epoch.train_accuracy for epoch in epochs) - last.train_accuracy
    return fallen >= FALLEN_BACK and last.train_loss > 2 * min(epoch.train_loss for epoch in epochs)


def _gain(epochs: Sequence[EpochFigures]) -> float:
    """Accuracy of the last fifth of the epochs above the fifth before: the smaller of training's and validation's."""
    fifth = max(1, len(epochs) // 5)
    if len(epochs) < 2 * fifth:
        return 0.0
    late, before = epochs[-fifth:], epochs[-2 * fifth : -fifth]
    training = fmean(epoch.train_accuracy for epoch in late) - fmean(epoch.train_accuracy for epoch in before)
    validation = fmean(epoch.validation_accuracy for epoch in late) - fmean(
        epoch.validation_accuracy for epoch in before
    )
    return min(training, validation)


def _stuck(epochs: Sequence[EpochFigures], classes: int, settings: TrainingSettings) -> Diagnosis:
    message = say(
        "It only guesses: after {epochs} epochs the accuracy is {accuracy}, and guessing among "
        "{classes} classes gives {chance}.",
        epochs=len(epochs),
        accuracy=percent(epochs[-1].validation_accuracy),
        classes=classes,
        chance=percent(1 / classes),
    )
    usual = OPTIMIZERS[settings.optimizer].rate
    if settings.learning_rate > usual:
        return Diagnosis("stuck", message, *_slower(settings))
    if settings.learning_rate < usual / 2:
        advice = say(
            "The learning rate {rate} is too small: the network hardly learns. Try {better}.",
            **_rates(settings, usual),
        )
        return Diagnosis("stuck", message, advice, {"learning_rate": usual})
    if settings.optimizer != "Adam":
        advice = say("Adam finds a way out more often. If it does not, put BatchNorm2d after the convolutions.")
        return Diagnosis("stuck", message, advice, {"optimizer": "Adam", "learning_rate": OPTIMIZERS["Adam"].rate})
    advice = say(
        "Put BatchNorm2d after the convolutions and activations between the layers, or try a tenth of "
        "the learning rate."
    )
    return Diagnosis("stuck", message, advice, _slower(settings)[1])


def _diverging(epochs: Sequence[EpochFigures], settings: TrainingSettings) -> Diagnosis:
    message = say(
        "Accuracy dropped during training: from {best} to {last}.",
        best=percent(max(epoch.validation_accuracy for epoch in epochs)),
        last=percent(epochs[-1].validation_accuracy),
    )
    return Diagnosis("diverging", message, *_slower(settings))


def _overfitting(last: _Means, settings: TrainingSettings) -> Diagnosis:
    message = say(
        "Overfitting (memorising the training images): accuracy {train} on them, but only {validation} "
        "on validation images.",
        train=percent(last.train_accuracy),
        validation=percent(last.validation_accuracy),
    )
    return Diagnosis("overfitting", message, *_against_overfitting(settings))


def _against_overfitting(settings: TrainingSettings) -> tuple[Message, dict[str, Any]]:
    if settings.train_percent < 100:
        return say("More images help most: use all of the training data."), {"train_percent": 100}
    if not settings.shift:
        return say("Use data augmentation: shift by a pixel or two, so that no image is seen twice."), {"shift": 2}
    if not settings.weight_decay:
        advice = say("Weight decay keeps the weights small. Dropout before the last layer helps as well.")
        return advice, OPTIMIZERS[settings.optimizer].against_overfitting
    return say("Put Dropout before the last layer, or use fewer channels: a smaller network overfits less."), {}


def _unfinished(epochs: Sequence[EpochFigures], settings: TrainingSettings) -> Diagnosis:
    message = say(
        "Accuracy was still rising at the end: by {gain} percentage points in the last epochs.",
        gain=f"{100 * _gain(epochs):.1f}",
    )
    advice = say("Train for twice as many epochs.")
    change = {"epochs": _within("epochs", 2 * settings.epochs)}
    return Diagnosis("unfinished", message, advice, change if change["epochs"] > settings.epochs else {})


def _underfitting(last: EpochFigures, settings: TrainingSettings) -> Diagnosis:
    message = say(
        "Underfitting: accuracy on the training images stops at {accuracy}. The network is too simple for them.",
        accuracy=percent(last.train_accuracy),
    )
    usual = OPTIMIZERS[settings.optimizer].rate
    if settings.learning_rate < usual / 2:
        advice = say("The learning rate {rate} is small. Try {better}.", **_rates(settings, usual))
        return Diagnosis("underfitting", message, advice, {"learning_rate": usual})
    brakes = {name: FIELD_DEFAULTS[name] for name in BRAKES if getattr(settings, name) > FIELD_DEFAULTS[name]}
    if brakes:
        advice = say("Turn off what makes learning harder: weight decay, label smoothing and data augmentation.")
        return Diagnosis("underfitting", message, advice, brakes)
    advice = say("Add channels or one more layer. Twice as many epochs may help as well.")
    change = {"epochs": _within("epochs", 2 * settings.epochs)}
    return Diagnosis("underfitting", message, advice, change if change["epochs"] > settings.epochs else {})


def _learning(best: float, settings: TrainingSettings, evidence: Evidence | None) -> Diagnosis:
    """`best` is the validation accuracy of the best epoch, whose weights are kept."""
    if evidence is None or evidence.validation_images == 0:
        message = say("It learns: validation accuracy {validation}.", validation=percent(best))
        return Diagnosis("learning", message, say("Nothing needs to change."))
    validation = Accuracy(best, evidence.validation_images)
    if evidence.test is not None:
        return _tested(validation, evidence.test, settings)
    message = say("It learns: validation accuracy {validation}.", validation=measured(validation))
    if validation.is_uncertain:
        return Diagnosis("learning", message, say("These are too few images to tell. The test will show more."))
    return Diagnosis("learning", message, say("Nothing needs to change."))


def _tested(validation: Accuracy, test: Accuracy, settings: TrainingSettings) -> Diagnosis:
    values = {"test": measured(test), "validation": measured(validation)}
    if compare(validation, test) == "lower":
        message = say("Test accuracy is lower than validation accuracy: {test}; validation {validation}.", **values)
        return Diagnosis("overfitting", message, *_against_overfitting(settings))
    message = say("It learns: test accuracy {test}; validation {validation}.", **values)
    if test.is_uncertain:
        return Diagnosis("learning", message, say("More test images would tell the accuracy more exactly."))
    return Diagnosis("learning", message, say("Nothing needs to change."))


def measured(accuracy: Accuracy) -> Message:
    """`96.6% (355 images, 95% confidence interval 94.2% to 98.1%)`."""
    low, high = accuracy.interval
    return say(
        "{share} ({images} images, confidence interval {low} to {high})",
        share=percent(accuracy.share),
        images=f"{accuracy.images:,}",
        low=percent(low),
        high=percent(high),
    )


BRAKES = ("weight_decay", "label_smoothing", "rotation", "crop", "cutout", "shift")
"""Settings that make the training images harder to learn."""

FIELD_DEFAULTS = {field.name: field.default for field in FIELDS}


def _slower(settings: TrainingSettings) -> tuple[Message, dict[str, Any]]:
    rate = lower_rate(settings)
    advice = say("The learning rate {rate} is too large. Try {better}.", **_rates(settings, rate))
    return advice, {"learning_rate": rate} if rate < settings.learning_rate else {}


def _rates(settings: TrainingSettings, better: float) -> dict[str, str]:
    return {"rate": f"{settings.learning_rate:g}", "better": f"{better:g}"}


def _within(name: str, value: int) -> int:
    """The value, or the largest that the setting takes."""
    field = next(field for field in FIELDS if field.name == name)
    return min(value, getattr(field, "maximum", value))


def percent(share: float) -> str:
    """A share as people read it: `97.5%`, rounded as pages round it."""
    return f"{100 * Decimal(str(share)):.1f}%"
