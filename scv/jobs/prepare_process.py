"""`python -m scv.jobs.prepare_process`: make an official dataset's resident form, in a process of its own."""

import sys
from pathlib import Path

import msgspec

from scv.data.errors import DatasetMissingError
from scv.data.official.catalogue import DatasetInfo, UnknownDatasetError, find
from scv.jobs.task_process import ProgressSender, TaskFailedError, run
from scv.message import say
from scv.ml.prepare_official import prepare_official
from scv.settings import Settings
from scv.stage import Stage


def work(argument: str, on_progress: ProgressSender) -> None:
    """Prepare the dataset of this name (JSON). Raises `TaskFailedError`."""
    try:
        info = find(msgspec.json.decode(argument, type=str))
    except UnknownDatasetError as error:
        raise TaskFailedError(say("There is no such dataset.")) from error
    prepare_with_progress(Settings.from_environment().data_dir, info, on_progress)


def prepare_with_progress(
    data_dir: Path, info: DatasetInfo, on_progress: ProgressSender, mirror: str | None = None
) -> None:
    """Prepare the dataset. `mirror` is the address of a folder that holds the files instead of their makers' own.

    Raises `TaskFailedError`.
    """
    on_progress(Stage(say("Preparing {dataset}", dataset=info.title)))
    try:
        prepare_official(data_dir, info, on_progress, mirror=mirror)
    except DatasetMissingError as error:
        raise TaskFailedError(error.message) from error
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise TaskFailedError(say("The dataset could not be prepared: {why}.", why=why)) from error


if __name__ == "__main__":
    sys.exit(run(work))
