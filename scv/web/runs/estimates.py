"""What a training will need: memory from the check of its network, time from the pace of an earlier run."""

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
"""The memory of a training process before its first batch; see SCV_MEMORY_MB in docs/SETTINGS.md."""

FORWARD_SHARE = 1 / 3
"""A forward pass costs a third of a training step, because a backward pass costs two forward passes
(Kaplan et al. 2020, section 2.1)."""


def fixed_bytes(checked: Check) -> int:
    """The bytes of the weights while training: each with its gradient and the two moments of Adam, 4 bytes each."""
    return 16 * checked.parameters


def image_bytes(checked: Check) -> int:
    """The bytes of the activations of one image, which are kept for the backward pass."""
    return 4 * checked.activations


def batch_memory(checked: Check, batch_size: int) -> int:
    """The bytes that a batch needs while training, without the memory of torch itself."""
    return batch_size * image_bytes(checked) + fixed_bytes(checked)


class ImageCounts(NamedTuple):
    """The numbers of images to train on and to validate with; rounding by class may change them a little."""

    train: int
    validation: int


def images_of(settings: TrainingSettings, dataset: DatasetInfo) -> ImageCounts:
    """The sizes of the parts that `data.splits` makes of the training images."""
    validation = dataset.validation_size or dataset.train_size * settings.validation_percent // 100
    return ImageCounts(-(-(dataset.train_size - validation) * settings.train_percent // 100), validation)


class Estimate(NamedTuple):
    """Seconds of a training: of all seeds, of one seed, of one epoch, and of the test at its end.

    `run_id` is the run that was measured.
    """

    seconds: float
    one: float
    epoch: float
    test: float
    run_id: int

    def epochs_within(self, seconds: float) -> int:
        """The number of epochs of one seed that fit into this time together with the test."""
        return max(0, int((seconds - self.test) / self.epoch))


def estimate_time(
    runs: Sequence[Run], checked: Check, document: Document, settings: TrainingSettings, dataset: DatasetInfo
) -> Estimate | None:
    """Estimate from the newest finished run on the same device, in proportion to the work; None without such a run.

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
        # Each epoch has the same number of images, so the mean pace is the harmonic mean.
        image = sum(1 / pace for pace in paces) / len(paces) * checked.multiply_adds / measured.multiply_adds
        train, validation = images_of(settings, dataset)
        epoch = image * (train + validation * FORWARD_SHARE)
        test = image * dataset.test_size * FORWARD_SHARE
        one = settings.epochs * epoch + test
        return Estimate(settings.seeds * one, one, epoch, test, run.id)
    return None
