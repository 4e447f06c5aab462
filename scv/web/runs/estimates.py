"""What a training will need, before it begins: memory by the check, time by what an earlier run was measured at."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from scv.blocks.check import check
from scv.blocks.document import Document, DocumentError
from scv.blocks.findings import Check
from scv.data.official.catalogue import DatasetInfo
from scv.db.tables import Run
from scv.training.settings import TrainingSettings

TORCH_BYTES = 400 << 20
"""What a training process takes before its first batch, as docs/SETTINGS.md says of SCV_MEMORY_MB."""

FORWARD_SHARE = 1 / 3
"""An image that is only looked at costs a third of one that is learned from: the way back takes two ways there
(Kaplan et al. 2020, section 2.1)."""


def fixed_bytes(checked: Check) -> int:
    """What each weight holds while training: itself, its gradient, and the two numbers that Adam keeps."""
    return 16 * checked.parameters


def image_bytes(checked: Check) -> int:
    """What one image of a batch leaves behind for the way back."""
    return 4 * checked.activations


def batch_memory(checked: Check, batch_size: int) -> int:
    """The bytes that a batch needs while training, without those that torch itself takes."""
    return batch_size * image_bytes(checked) + fixed_bytes(checked)


class ImageCounts(NamedTuple):
    """How many images serve for what; classes of odd sizes may make it a few more or fewer."""

    train: int
    validation: int


def images_of(settings: TrainingSettings, dataset: DatasetInfo) -> ImageCounts:
    """The parts into which `data.splits` takes the dataset's training images."""
    validation = dataset.validation_size or dataset.train_size * settings.validation_percent // 100
    return ImageCounts(-(-(dataset.train_size - validation) * settings.train_percent // 100), validation)


class Estimate(NamedTuple):
    """Seconds that a training will take: all its seeds, one of them, an epoch of that, and the test after it.

    `run_id` is the run that was measured.
    """

    seconds: float
    one: float
    epoch: float
    test: float
    run_id: int

    def epochs_within(self, seconds: float) -> int:
        """How many epochs of one seed there is time for, and the test."""
        return max(0, int((seconds - self.test) / self.epoch))


def estimate_time(
    runs: Sequence[Run], checked: Check, document: Document, settings: TrainingSettings, dataset: DatasetInfo
) -> Estimate | None:
    """By the newest finished run that was measured on the same device, in proportion to the work; else None.

    `runs` have their metrics and begin with the newest; `document` is what `checked` is the check of. Work is
    multiply-adds times images, epochs and seeds.
    """
    for run in runs:
        paces = [metric.images_per_second for metric in run.metrics if metric.images_per_second > 0]
        if run.status != "finished" or not paces:
            continue
        try:
            then = run.settings
            same = run.document == document
            measured = checked if same else check(run.document, dataset.shape, dataset.classes)
        except (DocumentError, msgspec.DecodeError):  # made by another version of SCV
            continue
        same_place = (then.device, then.precision) == (settings.device, settings.precision)
        if not same_place or not measured.multiply_adds or not checked.multiply_adds:
            continue
        # Each epoch showed as many images, so their mean pace is the harmonic one.
        image = sum(1 / pace for pace in paces) / len(paces) * checked.multiply_adds / measured.multiply_adds
        train, validation = images_of(settings, dataset)
        epoch = image * (train + validation * FORWARD_SHARE)
        test = image * dataset.test_size * FORWARD_SHARE
        one = settings.epochs * epoch + test
        return Estimate(settings.seeds * one, one, epoch, test, run.id)
    return None
