"""`python -m scv.jobs.prepare_process NAME`: make a dataset's resident form, in a process of its own."""

import sys
from pathlib import Path

from scv.data.errors import DatasetMissingError
from scv.data.official.catalogue import DatasetInfo, UnknownDatasetError, find
from scv.jobs.failures import forget_preparation_failure, keep_preparation_failure
from scv.jobs.prepare_state import StoppedError, Teller, forget_progress
from scv.message import Message, say
from scv.ml.prepare_official import prepare_official
from scv.settings import Settings
from scv.stage import Stage


def main() -> int:
    try:
        info = find(sys.argv[1])
    except UnknownDatasetError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return prepare_and_tell(Settings.from_environment().data_dir, info)


def prepare_and_tell(data_dir: Path, info: DatasetInfo, mirror: str | None = None) -> int:
    """Prepare the dataset; its pages can tell how far that has come, and why it failed. Returns the exit status."""
    try:
        on_progress = Teller(data_dir, info.name)
        on_progress(Stage(say("Preparing {dataset}", dataset=info.title)))
        prepare_official(data_dir, info, on_progress, mirror=mirror)
    except StoppedError:
        return 0  # as somebody wished
    except DatasetMissingError as error:
        return _failed(data_dir, info, error.message)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        why = error.strerror or type(error).__name__
        return _failed(data_dir, info, say("The dataset could not be prepared: {why}.", why=why))
    finally:
        forget_progress(data_dir, info.name)
    forget_preparation_failure(data_dir, info.name)
    return 0


def _failed(data_dir: Path, info: DatasetInfo, message: Message) -> int:
    sys.stderr.write(f"{message}\n")
    keep_preparation_failure(data_dir, info.name, message)
    return 1


if __name__ == "__main__":
    sys.exit(main())
