"""Runs that have trained weights, without a worker having trained them."""

import shutil
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import mkdtemp

import msgspec
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from scv.blocks.document import Block, Document, encode
from scv.blocks.training import TrainingSettings
from scv.db.engine import Database
from scv.db.models import create_model
from scv.db.tables import Run, User
from scv.files import Files, weights_key
from scv.ml.official import prepare
from scv.ml.train import WEIGHTS, train

SMALL = Document(
    blocks=(
        Block("c1", "Conv2d", {"out_channels": 16}),
        Block("r1", "ReLU"),
        Block("f1", "Flatten"),
        Block("l1", "Linear", {"out_features": 10}),
    )
)
"""A network for Digits that learns within seconds."""


@cache
def trained_on(dataset: str, document: bytes, epochs: int) -> tuple[Path, Path]:
    """A data folder with the dataset, and weights that were trained on it; made once for all tests of a process."""
    folder = Path(mkdtemp(prefix="scv-tests-"))
    if dataset == "mnist":
        from tests.ml.conftest import place_mnist

        place_mnist(folder)
    settings = TrainingSettings(epochs=epochs, seed=1)
    train(
        msgspec.json.decode(document, type=Document),
        settings,
        prepare(folder, dataset),
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
    dataset: str = "digits",
    document: Document = SMALL,
    epochs: int = 12,
    **columns: object,
) -> Run:
    """A finished run of the user's, with its weights and its dataset in the data folder."""
    folder, weights = trained_on(dataset, encode(document), epochs)
    shutil.copytree(folder / "datasets", data_dir / "datasets", dirs_exist_ok=True)
    text, settings = encode(document).decode(), msgspec.json.encode(TrainingSettings()).decode()
    async with database.writing() as session:
        model = await create_model(session, user, "Digit reader", dataset, text, settings)
        values = {"status": "finished", "test_accuracy": 0.9725, "test_loss": 0.1, "best_epoch": 3, "seconds": 2.0}
        values |= {"parameters": 100, **columns}
        run = Run(version_id=model.versions[0].id, document=text, settings=settings, dataset=dataset, **values)
        session.add(run)
        await session.flush()
        run.weights = weights_key(run.id)
    kept = Files(data_dir / "files").path(run.weights)
    kept.parent.mkdir(parents=True)
    shutil.copy(weights, kept)
    return run


def digit(label: int, number: int = 0, side: int = 240) -> bytes:
    """A PNG of a real handwritten digit as a person would send it: dark on light."""
    digits = load_digits()
    image = digits.images[digits.target == label][number]
    picture = Image.fromarray(255 - (image * 255 / 16).astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    content = BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()
