"""`python -m scv.jobs.preparation NAME`: make a dataset's resident form, in a process of its own."""

import sys

from scv.blocks.message import say
from scv.data.catalogue import UnknownDatasetError
from scv.jobs.failures import forget_preparation_failure, keep_preparation_failure
from scv.ml.errors import DatasetMissingError
from scv.ml.official import prepare
from scv.settings import Settings


def main() -> int:
    data_dir, name = Settings.from_environment().data_dir, sys.argv[1]
    try:
        prepare(data_dir, name)
    except DatasetMissingError as error:
        sys.stderr.write(f"{error.message}\n")
        keep_preparation_failure(data_dir, name, error.message)
        return 1
    except UnknownDatasetError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        why = error.strerror or type(error).__name__
        keep_preparation_failure(data_dir, name, say("The dataset could not be prepared: {why}.", why=why))
        return 1
    forget_preparation_failure(data_dir, name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
