"""Settings that suit a dataset and a network, each with its reason: rules of thumb that were measured here."""

from typing import Protocol

import msgspec

from scv.blocks.document import Document
from scv.blocks.findings import Check
from scv.blocks.tree import walk
from scv.message import Message, say
from scv.training.settings import TrainingData, TrainingSettings, defaults

NORMALIZATIONS = ("BatchNorm1d", "BatchNorm2d")

NORMALIZED_RATE = 0.003
"""The learning rate of a network that normalizes. Small CNN, MNIST, three epochs, seed 0: 98.99 % at 0.001, 99.04 % at
this."""

SHIFTED_FROM = 16
"""Sides of images, in pixels, from which on a shift by one helps: Small CNN on MNIST as above 99.10 % with it, and
99.21 % (deviation 0.02) over five seeds in `bench/accuracy.py`. On the
8 × 8 of Digits a pixel is an eighth of the image: LeNet-5 falls from 96.5 to 91.1 %."""


class DatasetFacts(TrainingData, Protocol):
    """What is looked at of a dataset; `shape` is (C, H, W)."""

    @property
    def shape(self) -> tuple[int, int, int]: ...


class NetworkFacts(msgspec.Struct, frozen=True):
    """What is looked at of a network: how many numbers it learns, and whether it normalizes what goes through it."""

    parameters: int
    normalized: bool


class Recommendation(msgspec.Struct, frozen=True):
    """Settings, and why they are not what every training begins with; no reasons where they are."""

    settings: TrainingSettings
    reasons: tuple[Message, ...]


def network_facts(document: Document, checked: Check) -> NetworkFacts:
    """The facts of a document, by its check."""
    return NetworkFacts(checked.parameters, any(block.type in NORMALIZATIONS for block, _ in walk(document.blocks)))


def recommended(dataset: DatasetFacts, network: NetworkFacts) -> Recommendation:
    """Settings to train such a network with on such a dataset, beginning with `defaults`."""
    settings = defaults(dataset)
    reasons: list[Message] = []
    if network.normalized:
        settings = msgspec.structs.replace(settings, learning_rate=NORMALIZED_RATE)
        reasons.append(
            say(
                "Learning rate {rate}: with BatchNorm, larger steps work and training is faster.",
                rate=f"{NORMALIZED_RATE:g}",
            )
        )
    if min(dataset.shape[1:]) >= SHIFTED_FROM:
        settings = msgspec.structs.replace(settings, shift=1)
        reasons.append(say("Shift 1: moving the images by a pixel reduces overfitting."))
    if settings.flip:
        reasons.append(
            say("Flip: a mirrored image still shows the same class here, so the network sees twice as many images.")
        )
    return Recommendation(settings, tuple(reasons))
