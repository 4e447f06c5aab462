"""`python -m scv.jobs.preparation NAME`: make a dataset's resident form, in a process of its own."""

import sys

from scv.data.catalogue import UnknownDatasetError
from scv.ml.errors import DatasetMissingError
from scv.ml.official import prepare
from scv.settings import Settings


def main() -> int:
    settings = Settings.from_environment()
    try:
        prepare(settings.data_dir, sys.argv[1])
    except (DatasetMissingError, UnknownDatasetError) as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
