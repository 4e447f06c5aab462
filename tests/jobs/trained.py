"""Runs that have trained weights, without a worker having trained them."""

import shutil
from hashlib import sha256
from os import link
from pathlib import Path

import numpy as np

from scv.blocks.document import Document, encode
from scv.db.engine import Database
from scv.db.models import create_model
from scv.db.tables import Run, User
from scv.files import Files, weights_key
from scv.ml.prepare_official import prepare
from scv.ml.train.train import WEIGHTS, train
from scv.training.settings import TrainingSettings
from tests.data.handwriting import drawn_dark
from tests.ml.conftest import READER, mnist_folder, trained_reader
from tests.shared import shared


def trained_on_mnist(document: Document) -> Path:
    """A folder with weights that were trained on MNIST, shared by all tests."""
    if document == READER:
        return trained_reader()

    def make(folder: Path) -> None:
        train(
            document,
            TrainingSettings(epochs=1, seed=1),
            prepare(mnist_folder(), "mnist"),
            folder=folder,
            emit=lambda event: None,
            should_stop=lambda: False,
        )

    return shared(f"on-mnist-{sha256(encode(document)).hexdigest()[:16]}", make)


async def add_trained_run(
    database: Database,
    data_dir: Path,
    user: User,
    *,
    document: Document = READER,
    **columns: object,
) -> Run:
    """A finished run of the user's on MNIST, with its weights and its dataset in the data folder."""
    # By links: nothing changes a prepared dataset, and it is large.
    shutil.copytree(mnist_folder() / "datasets", data_dir / "datasets", dirs_exist_ok=True, copy_function=link)
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
    shutil.copy(trained_on_mnist(document) / WEIGHTS, kept)
    return run


def digit(label: int, seed: int = 3) -> bytes:
    """A PNG of a digit as a person draws it: dark on light."""
    return drawn_dark(label, np.random.default_rng(seed))
