"""A training that is too much for this installation is refused before it starts, and what would fit is said."""

import re
from dataclasses import replace
from typing import Any

import pytest
from litestar import Litestar
from sqlalchemy import func, select

from scv.blocks.check import check
from scv.blocks.document import Block, Document
from scv.data.official.catalogue import find
from scv.db.tables import EpochMetric, Run, Version
from scv.errors import RefusedError
from scv.settings import Settings
from scv.training.settings import TrainingSettings
from scv.web.runs.limits import refuse_memory, refuse_work
from tests.web.conftest import GOOD, Visitor, add_run, add_version, path_of

DIGITS = find("digits")
CHECKED = check(GOOD, DIGITS.shape, DIGITS.classes)


def memory(limit: int, batch_size: int, device: str = "cpu", chosen: str = "auto") -> None:
    refuse_memory(
        Settings(memory_mb=limit, device=device),
        CHECKED,
        TrainingSettings(batch_size=batch_size, device=chosen),  # type: ignore[arg-type]
    )


def why(error: pytest.ExceptionInfo[RefusedError]) -> str:
    return str(error.value.message)


def test_a_batch_that_needs_too_much_memory_is_refused_with_the_size_that_fits() -> None:
    with pytest.raises(RefusedError, match=r"batches of 4096 images .* 401 MB is the most here") as error:
        memory(401, 4096)
    (fits,) = re.findall(r"A batch size of (\d+) would fit", why(error))
    memory(401, int(fits))
    with pytest.raises(RefusedError):
        memory(401, int(fits) + 1)


def test_where_no_batch_fits_it_says_so() -> None:
    with pytest.raises(RefusedError, match="No batch size would fit"):
        memory(400, 1)


def test_the_memory_counts_on_the_cpu_only_and_where_a_limit_is_set() -> None:
    memory(0, 4096)
    memory(1, 4096, device="cuda:1")
    memory(1, 4096, chosen="cuda")
    with pytest.raises(RefusedError):
        memory(1, 4096, device="cuda", chosen="cpu")


def work(limit: float, epochs: int) -> None:
    refuse_work(Settings(run_multiply_adds=limit), CHECKED, TrainingSettings(epochs=epochs), DIGITS)


def test_more_multiply_adds_than_a_run_may_take_are_refused_with_the_epochs_that_fit() -> None:
    epoch = CHECKED.multiply_adds * 1298
    work(5.0 * epoch, 5)
    with pytest.raises(RefusedError, match=rf"takes {6 * epoch} multiply-adds .* {5 * epoch} is the most") as error:
        work(5.0 * epoch, 6)
    assert why(error).endswith(" At most 5 epochs would fit.")
    with pytest.raises(RefusedError, match="Not even one epoch would fit"):
        work(epoch - 1.0, 1)
    work(0, 500)


def test_the_limit_that_is_set_by_default_lets_large_trainings_begin() -> None:
    """The deepest of the usual networks on Digits, for as long as can be set."""
    blocks = (
        *(Block(f"conv{n}", "Conv2d", {"out_channels": 512, "padding": 1}) for n in range(16)),
        Block("flatten1", "Flatten"),
        Block("linear1", "Linear", {"out_features": 10}),
    )
    checked = check(Document(blocks=blocks), DIGITS.shape, DIGITS.classes)
    assert checked.ok
    refuse_work(Settings(), checked, TrainingSettings(epochs=500), DIGITS)


def limit(app: Litestar, **limits: Any) -> None:
    """Have the server set up with these limits."""
    app.state.services = replace(app.state.services, settings=replace(app.state.services.settings, **limits))


async def measured(visitor: Visitor, version: Version, pace: float) -> Run:
    run = await add_run(visitor, version, status="finished", test_accuracy=0.9, test_loss=0.1, best_epoch=1, seconds=9)
    async with visitor.database.writing() as session:
        session.add(
            EpochMetric(
                run_id=run.id,
                epoch=1,
                train_loss=1.0,
                train_accuracy=0.5,
                validation_loss=1.0,
                validation_accuracy=0.5,
                seconds=2.0,
                best=True,
                images_per_second=pace,
            )
        )
    return run


async def newest(visitor: Visitor) -> int:
    async with visitor.database.reading() as session:
        return await session.scalar(select(func.max(Run.id))) or 0


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"memory_mb": 100}, "100 MB is the most here"),
        ({"run_multiply_adds": 10.0}, "multiply-adds"),
        (
            {"run_minutes": 0.5},
            "takes about 0.69 minutes, and 0.5 is the most allowed here. At most 2 epochs would fit.",
        ),
    ],
)
async def test_run_and_train_again_begin_nothing_that_is_too_much(
    owner: Visitor, app: Litestar, limits: dict[str, float], said: str
) -> None:
    version = await add_version(owner)
    run = await measured(owner, version, 100.0)
    limit(app, **limits)
    answer = await owner.post(f"{path_of(version)}/runs", {"revision": version.revision})
    assert answer.status_code == 422
    assert said in answer.text
    again = await owner.post(f"/runs/{run.id}/again", {})
    assert again.status_code == 422
    assert said in again.text
    assert await newest(owner) == run.id


async def test_what_was_typed_decides_whether_it_is_too_much(owner: Visitor, app: Litestar) -> None:
    """Each seed is a run of its own, so that more of them break no limit of a run."""
    version = await add_version(owner)
    run = await measured(owner, version, 100.0)
    limit(app, run_minutes=0.5)
    answer = await owner.post(f"/runs/{run.id}/again", {"setting:epochs": "2", "setting:seeds": "3"})
    assert answer.url.path == f"/runs/{run.id + 1}"
    assert await newest(owner) == run.id + 3
