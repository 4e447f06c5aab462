"""What the check, the settings and the exported code must know of a person's own images: no image is decoded."""

import inspect
from pathlib import Path
from string import Template

from scv.data.images.decode import (
    ImageRefusedError,
    check_size,
    decode_image,
    decoded,
    pixels_of,
    plain,
    refusing,
    squared,
    upright,
)
from scv.data.official.catalogue import DatasetInfo
from scv.data.own.archives import MOST_BYTES_OF_A_FILE, opened
from scv.data.own.importing import ImageOptions, plan, refuse_classes
from scv.data.own.layout import (
    Sorting,
    arranged,
    by_class,
    holds_folders,
    korean,
    name_in_zip,
    plain_name,
    reason_by_name,
)
from scv.message import foreign

_LOADER = Template('''\
import hashlib
import os
import struct
import unicodedata
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps


$sources


def read(file, archive):
    """The bytes of a file in the archive, or in a folder; of one that is larger than any image, none."""
    if archive is not None:
        return archive.read(file) if file.file_size <= $most else b""
    if os.path.getsize(file) > $most:
        return b""
    with open(file, "rb") as opened:
        return opened.read()


def load_data(folder):
    """The images of a zip file, or of a folder, in which each class has a folder.

    Files that are no images, and the same image once more, are left out.
    """
    images, labels = {"train": [], "test": []}, {"train": [], "test": []}
$begin\
    with nullcontext() if os.path.isdir(folder) else zipfile.ZipFile(folder) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if archive is not None:
            files = {info: name_in_zip(info) for info in archive.infolist() if not info.is_dir()}
        else:
            paths = [os.path.join(inside, name) for inside, _, names in os.walk(folder) for name in names]
            files = {path: os.path.relpath(path, folder).replace("\\\\", "/") for path in paths}
        files = {file: name for file, name in files.items() if reason_by_name(name) is None}
        _, places = arranged(list(files.values()))
        sorting, files = Sorting(), list(files)
        for index, part, label in places:
            try:
                pixels = decode_image(read(files[index], archive), $size, $channels, "$fit")
            except (ImageRefusedError, OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error):
                continue
            place, _ = sorting.part(pixels, part, label)
            if place is not None:
                kept = place.replace("val", "train")
                images[kept].append(pixels)
                labels[kept].append(label)
$each\
$end\
    train, test = (
        torch.frombuffer(bytearray(b"".join(images[part])), dtype=torch.uint8).view(-1, $channels, $size, $size)
        for part in ("train", "test")
    )
    return train, torch.tensor(labels["train"]), test, torch.tensor(labels["test"])$returned
''')

_NO_VALIDATION = dict.fromkeys(("begin", "each", "end", "returned"), "")
_VALIDATION = {
    "begin": "    validates = []  # which of the training images are for validation\n",
    "each": """\
                if kept == "train":
                    validates.append(place == "val")
""",
    "end": """\
    if not any(validates):
        raise SystemExit("There is no readable validation image.")
""",
    "returned": ", torch.tensor(validates)",
}


def describe(source: Path, options: ImageOptions) -> DatasetInfo:
    """The images of a zip or a folder as a dataset. Raises `ImagesError`.

    The sizes are those of the names: files that prove unreadable, or the same, are counted as well. The fewer images
    there are, the more epochs: of the official datasets it gives those that were measured.
    """
    with opened(source) as archive:
        planned = plan(archive)
    refuse_classes(planned.class_names)
    parts = Sorting()
    places = [
        parts.part(str(number).encode(), part, label)[0] for number, (_, part, label) in enumerate(planned.images)
    ]
    validation = places.count("val")
    train = places.count("train") + validation
    return DatasetInfo(
        name="pictures",
        title=foreign(source.stem),
        shape=(options.channels, options.size, options.size),
        class_names=tuple(planned.class_names),
        train_size=train,
        test_size=len(places) - train,
        validation_size=validation,
        epochs=default_epochs(train),
        licence="",
        source="",
        script_loader=loader_of(options, validation > 0),
        script_folder=str(source.absolute()),
    )


def default_epochs(train_size: int) -> int:
    """What a new model starts with: about 60,000 images shown, in 3 to 30 epochs."""
    return max(3, min(30, 60_000 // max(1, train_size)))


def loader_of(options: ImageOptions, validates: bool) -> str:
    """The rules that SCV itself applies, as source, and what takes the images through them.

    `validates` says that some are for validation, by their names.
    """
    rules = (
        *(korean, name_in_zip, reason_by_name, holds_folders, plain_name, arranged, by_class, Sorting),
        *(ImageRefusedError, refusing, check_size, decoded, upright, plain, squared, pixels_of, decode_image),
    )
    return _LOADER.substitute(
        sources="\n\n".join(inspect.getsource(rule) for rule in rules).rstrip(),
        size=options.size,
        channels=options.channels,
        fit=options.fit,
        most=MOST_BYTES_OF_A_FILE,
        **(_VALIDATION if validates else _NO_VALIDATION),
    )
