"""Runs that have trained weights, without a worker having trained them."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import msgspec
import numpy as np

from scv.blocks.document import Document, encode
from scv.blocks.starters import STARTERS
from scv.db.engine import Database
from scv.db.models import create_model
from scv.db.tables import Run, User
from scv.files import Files, weights_key
from scv.ml.prepare_official import prepare
from scv.ml.train.train import WEIGHTS, train
from scv.training.settings import TrainingSettings
from tests.data.handwriting import drawn_dark
from tests.ml.conftest import place_mnist

LENET = STARTERS["lenet"].build((1, 28, 28), 10)


@cache
def trained_on(document: bytes, epochs: int) -> tuple[Path, Path]:
    """A data folder with MNIST, and weights that were trained on it; made once for all tests of a process."""
    folder = Path(mkdtemp(prefix="scv-tests-"))
    place_mnist(folder)
    settings = TrainingSettings(epochs=epochs, seed=1)
    train(
        msgspec.json.decode(document, type=Document),
        settings,
        prepare(folder, "mnist"),
        folder=folder,
        emit=lambda event: None,
        should_stop=lambda: False,
    )
    return folder, folder / WEIGHTS


async def add_trained_run(
    database: Database,
    data_dir: Path,
    user: User,
    *,
    document: Document = LENET,
    epochs: int = 1,
    **columns: object,
) -> Run:
    """A finished run of the user's on MNIST, with its weights and its dataset in the data folder."""
    folder, weights = trained_on(encode(document), epochs)
    shutil.copytree(folder / "datasets", data_dir / "datasets", dirs_exist_ok=True)
    settings = TrainingSettings()
    async with database.writing() as session:
        model = await create_model(session, user, "Digit reader", "mnist", document, settings)
        values = {"status": "finished", "test_accuracy": 0.9725, "test_loss": 0.1, "best_epoch": 3, "seconds": 2.0}
        values |= {"parameters": 100, **columns}
        run = Run(version_id=model.versions[0].id, document=document, settings=settings, dataset="mnist", **values)
        session.add(run)
        await session.flush()
        run.weights = weights_key(run.id)
    kept = Files(data_dir / "files").path(run.weights)
    kept.parent.mkdir(parents=True)
    shutil.copy(weights, kept)
    return run


def digit(label: int, seed: int = 3) -> bytes:
    """A PNG of a digit as a person draws it: dark on light."""
    return drawn_dark(label, np.random.default_rng(seed))
