"""`scv datasets`: what there is to train on, and how it comes here."""

import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from scv.blocks.shapes import written
from scv.commands.failure import MisuseError
from scv.data.official.catalogue import DATASETS, DatasetInfo, UnknownDatasetError, find
from scv.data.resident import Resident, is_prepared
from scv.settings import Settings
from scv.stage import Stage


def list_datasets(arguments: Namespace) -> int:
    """List the datasets; `ready` says whether the resident form is there."""
    data_dir = _data_dir(arguments)
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
            "ready": is_prepared(data_dir, info.name),
            "missing": info.missing(data_dir),
            "download_bytes": info.download_bytes,
        }
        for info in DATASETS.values()
    ]
    if arguments.json:
        print(msgspec.json.encode(rows).decode())
        return 0
    for info, row in zip(DATASETS.values(), rows, strict=True):
        images = f"{info.train_size:,} + {info.test_size:,} images"
        if row["ready"]:
            state = "ready"
        elif not info.is_at_hand(data_dir):
            state = f"downloaded when first used, {info.download_bytes / 1e6:,.0f} MB"
        else:
            state = "prepared when first used"
        print(f"{info.name:<14} {written(info.shape):>12}  {info.classes:>3} classes  {images:>23}  {state}")
    return 0


def fetch(arguments: Namespace) -> int:
    """Download a dataset and make its resident form."""
    info = _known(arguments.name)
    mirror = arguments.mirror
    if mirror is not None and not mirror.startswith(("https://", "http://")):
        raise MisuseError(f"{mirror} is no address: it begins with https:// or http://")
    return _prepare(arguments, info, mirror=mirror)


def take(arguments: Namespace) -> int:
    """Take a dataset's original files from a file, a folder or an archive, and make its resident form."""
    info, path = _known(arguments.name), arguments.path
    if not info.originals:
        raise MisuseError(f"{info.title} comes with SCV and needs no files.")
    if not path.exists():
        raise MisuseError(f"There is no file or folder {path}.")
    return _prepare(arguments, info, source=path)


def _prepare(arguments: Namespace, info: DatasetInfo, *, mirror: str | None = None, source: Path | None = None) -> int:
    from scv.ml.prepare_official import prepare_official  # torch takes seconds to import

    data_dir = _data_dir(arguments)
    show = _StageDisplay(sys.stderr.isatty())
    try:
        resident = prepare_official(data_dir, info, show, mirror=mirror, source=source)
    finally:
        show.close()
    print(_summary(info, resident))
    return 0


def _summary(info: DatasetInfo, resident: Resident) -> str:
    images = f"{len(resident.train_labels):,} + {len(resident.test_labels):,} images"
    return f"{info.name} is ready: {images}, {written(resident.shape)}, {resident.classes} classes, {resident.hash}"


class _StageDisplay:
    """Stages on standard error: on a terminal a line that counts, elsewhere a line for each."""

    def __init__(self, terminal: bool) -> None:
        self._terminal = terminal
        self._shown = ""
        self._show: Callable[[Stage], None] = self._rewrite if terminal else self._line

    def __call__(self, stage: Stage) -> None:
        self._show(stage)

    def _line(self, stage: Stage) -> None:
        text = f"{stage.message} …"
        if text != self._shown:
            self._shown = text
            print(text, file=sys.stderr)

    def _rewrite(self, stage: Stage) -> None:
        counted = f" {stage.done / 1e6:,.1f} of {stage.total / 1e6:,.1f} MB" if stage.total else " …"
        text = f"{stage.message}{counted}"
        if text != self._shown:
            self._shown = text
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def close(self) -> None:
        """Leave the terminal on a clean line."""
        if self._terminal and self._shown:
            sys.stderr.write("\r\x1b[K")


def _known(name: str) -> DatasetInfo:
    try:
        return find(name)
    except UnknownDatasetError as error:
        raise MisuseError(error.message) from error


def _data_dir(arguments: Namespace) -> Path:
    settings = Settings.from_environment()
    if arguments.data_dir is not None:
        settings = replace(settings, data_dir=arguments.data_dir).resolved()
    return settings.data_dir
