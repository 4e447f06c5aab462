"""Trainings beyond the limits of the installation are refused before they start; the message says what would fit."""

import math
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from scv.blocks.check import check
from scv.blocks.document import Document
from scv.blocks.findings import Check
from scv.data.official.catalogue import DatasetInfo
from scv.db.runs import list_runs_for_version
from scv.db.tables import Run, Version
from scv.errors import RefusedError
from scv.message import Message, say
from scv.settings import Settings
from scv.training.batches import BatchRefusedError, refuse_single_values
from scv.training.settings import TrainingSettings
from scv.web.runs.estimates import TORCH_BYTES, batch_memory, estimate_time, fixed_bytes, image_bytes, images_of

MB = 1 << 20


async def refuse_too_much(
    session: AsyncSession,
    limits: Settings,
    version: Version,
    dataset: DatasetInfo,
    document: Document,
    settings: TrainingSettings,
) -> None:
    """Raise `RefusedError` where a training of the document, which must have no errors, would fail or exceed a limit.

    `version` is the one that it belongs to, with its model; earlier runs of it tell how long it will take.
    """
    checked = check(document, dataset.shape, dataset.classes)
    try:
        refuse_single_values(checked, settings)
    except BatchRefusedError as error:
        raise RefusedError(error.message) from error
    refuse_memory(limits, checked, settings)
    refuse_work(limits, checked, settings, dataset)
    # An estimate from another network may be wrong several times over: it is shown, but it is no reason to refuse.
    same = [run for run in await list_runs_for_version(session, version) if run.document == document]
    refuse_time(limits, same, checked, document, settings, dataset)


def refuse_memory(limits: Settings, checked: Check, settings: TrainingSettings) -> None:
    """Raise `RefusedError` where a batch needs more than `memory_mb`. The limit holds for the CPU only."""
    device = limits.device if settings.device == "auto" else settings.device
    limit = limits.memory_mb * MB
    if not limit or device not in ("auto", "cpu"):
        return
    need = TORCH_BYTES + batch_memory(checked, settings.batch_size)
    if need <= limit:
        return
    figures = {"need": math.ceil(need / MB), "limit": limits.memory_mb}
    fits = (limit - TORCH_BYTES - fixed_bytes(checked)) // max(image_bytes(checked), 1)
    if fits >= 1:
        raise RefusedError(
            say(
                "With batches of {size} images this training needs about {need} MB of memory, and {limit} MB is the "
                "most here. A batch size of {fits} would fit.",
                size=settings.batch_size,
                fits=fits,
                **figures,
            )
        )
    raise RefusedError(
        say(
            "This training needs about {need} MB of memory, and {limit} MB is the most here. No batch size would fit: "
            "try a smaller network.",
            **figures,
        )
    )


def refuse_work(limits: Settings, checked: Check, settings: TrainingSettings, dataset: DatasetInfo) -> None:
    """Raise `RefusedError` where one run needs more than `run_multiply_adds`."""
    epoch = checked.multiply_adds * images_of(settings, dataset).train
    if not limits.run_multiply_adds or epoch * settings.epochs <= limits.run_multiply_adds:
        return
    fits = int(limits.run_multiply_adds / epoch)
    raise RefusedError(
        say(
            "This training takes {work} multiply-adds (the network's, times images and epochs), and {limit} is the "
            "most of one run here. {advice}",
            work=epoch * settings.epochs,
            limit=int(limits.run_multiply_adds),
            advice=_fewer_epochs(fits),
        )
    )


def refuse_time(
    limits: Settings,
    runs: Sequence[Run],
    checked: Check,
    document: Document,
    settings: TrainingSettings,
    dataset: DatasetInfo,
) -> None:
    """Raise `RefusedError` where one run would take longer than `run_minutes`, estimated from earlier `runs`."""
    estimate = estimate_time(runs, checked, document, settings, dataset)
    limit = limits.run_minutes * 60
    if estimate is None or estimate.one <= limit:
        return
    raise RefusedError(
        say(
            "Judging by run {run}, this training takes about {minutes} minutes, and {limit} is "
            "the most allowed here. {advice}",
            run=estimate.run_id,
            minutes=_minutes(estimate.one),
            limit=f"{limits.run_minutes:g}",
            advice=_fewer_epochs(estimate.epochs_within(limit)),
        )
    )


def _minutes(seconds: float) -> str:
    """Minutes with two significant digits; whole minutes from ten on."""
    minutes = seconds / 60
    return f"{minutes:,.0f}" if minutes >= 10 else f"{minutes:.2g}"


def _fewer_epochs(fits: int) -> Message:
    if fits:
        return say("At most {epochs} epochs would fit.", epochs=fits)
    return say("Not even one epoch would fit: try a smaller network or fewer training images.")
