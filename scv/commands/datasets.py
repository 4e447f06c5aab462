"""`scv datasets`: what there is to train on."""

from argparse import Namespace
from dataclasses import replace

import msgspec

from scv.blocks.shapes import written
from scv.data.catalogue import DATASETS
from scv.data.resident import is_prepared
from scv.settings import Settings


def list_datasets(arguments: Namespace) -> int:
    """List the datasets; `ready` says whether the resident form is there."""
    settings = Settings.from_environment()
    if arguments.data_dir is not None:
        settings = replace(settings, data_dir=arguments.data_dir).resolved()
    rows = [
        {
            "name": info.name,
            "title": info.title,
            "shape": info.shape,
            "classes": info.classes,
            "train_images": info.train_size,
            "test_images": info.test_size,
            "licence": info.licence,
            "source": info.source,
            "ready": is_prepared(settings.data_dir, info.name),
        }
        for info in DATASETS.values()
    ]
    if arguments.json:
        print(msgspec.json.encode(rows).decode())
        return 0
    for info, row in zip(DATASETS.values(), rows, strict=True):
        images = f"{info.train_size:,} + {info.test_size:,} images"
        state = "ready" if row["ready"] else "prepared when first used"
        print(f"{info.name:<10} {written(info.shape):>12}  {info.classes:>3} classes  {images:>22}  {state}")
    return 0
