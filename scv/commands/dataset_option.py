"""`--dataset`: the name of an official dataset, or the path of a user's own images."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from scv.commands.failure import MisuseError
from scv.data.official.catalogue import DATASETS, DatasetInfo, UnknownDatasetError, find
from scv.data.own.description import describe
from scv.data.own.importing import SIZES, ImageOptions, prepare_images
from scv.data.own.summary import told
from scv.data.resident import Resident


def add_dataset(parser: ArgumentParser, help: str = "the dataset it is for", *, required: bool = True) -> None:
    """Add `--dataset`, and the options that say how own images are read."""
    parser.add_argument(
        "--dataset",
        required=required,
        metavar="NAME|PATH",
        help=f"{help}: {', '.join(DATASETS)}, or a zip or a folder with a folder of images for each class",
    )
    group = parser.add_argument_group("your own images, where --dataset is a path")
    group.add_argument(
        "--image-size", type=int, metavar="PIXELS", help=f"width and height, {SIZES[0]} to {SIZES[1]}; 64 if not given"
    )
    color = group.add_mutually_exclusive_group()
    color.add_argument("--color", dest="color", action="store_true", default=None, help="in colour, as if not given")
    color.add_argument("--grey", dest="color", action="store_false", default=None, help="in shades of grey")
    group.add_argument(
        "--fit",
        choices=("crop", "pad", "stretch"),
        help="how an image becomes square: its middle, as if not given; all of it, with white around; or stretched",
    )


def chosen(arguments: Namespace) -> DatasetInfo:
    """The dataset that `--dataset` names. Raises `MisuseError`, and `ImagesError` for images that cannot be read."""
    source = own_images(arguments)
    if source is not None:
        return describe(source, _options(arguments))
    given = [
        option
        for option, value in (
            ("--image-size", arguments.image_size),
            ("--color or --grey", arguments.color),
            ("--fit", arguments.fit),
        )
        if value is not None
    ]
    try:
        info = find(arguments.dataset)
    except UnknownDatasetError as error:
        raise MisuseError(f"{error.message} Or give the path of a zip or a folder of class folders.") from None
    if given:
        raise MisuseError(f"{given[0]} is for your own images; the images of {info.title} are what they are.")
    return info


def own_images(arguments: Namespace) -> Path | None:
    """The path of the own images; None for an official dataset. Raises `MisuseError` where the path does not exist."""
    text: str = arguments.dataset
    path = Path(text)
    if text in DATASETS:
        return None
    if path.exists():
        return path
    if "/" in text or path.suffix:
        raise MisuseError(f"{text} is not there. --dataset is a name or the path of a zip or a folder.")
    return None


def resident(data_dir: Path, source: Path, arguments: Namespace) -> Resident:
    """The resident form of the own images. The first import is reported on standard error. Raises `ImagesError`."""
    terminal = sys.stderr.isatty()

    def progress(done: int, total: int) -> None:
        if terminal:
            sys.stderr.write(f"\r\x1b[Kreading images {done:,}/{total:,}")
            sys.stderr.flush()

    try:
        opened, summary = prepare_images(data_dir, source, _options(arguments), progress)
    finally:
        if terminal:
            sys.stderr.write("\r\x1b[K")
    for line in told(summary):
        print(f"scv: {line}", file=sys.stderr)
    return opened


def _options(arguments: Namespace) -> ImageOptions:
    return ImageOptions(
        size=64 if arguments.image_size is None else arguments.image_size,
        color=arguments.color is not False,
        fit=arguments.fit or "crop",
    )
