"""The images that a run learned from, for the processes that train and report."""

from pathlib import Path

from scv.data.errors import DatasetMissingError
from scv.data.official.catalogue import DATASETS
from scv.data.resident import Resident, ResidentError, open_resident
from scv.message import say
from scv.ml.prepare_official import prepare


def images_of(data_dir: Path, name: str) -> Resident:
    """An official dataset, prepared if need be, or a person's own. Raises `DatasetMissingError`."""
    if name in DATASETS:
        return prepare(data_dir, name)
    try:
        return open_resident(data_dir, name)
    except ResidentError as error:
        message = say("The images of this run are not on this machine any more: they may have been deleted.")
        raise DatasetMissingError(message) from error
