"""`python -m scv.jobs.version_process`: make a version of a person's own dataset, in a process of its own.

It reads from standard input how (`scv.data.own.version.Making`, as JSON). The version's page can tell how far it has
come, and the worker why it failed. Its exit status is `REFUSED` where that is the pictures' fault.
"""

import sys

import msgspec

from scv.data.own.archives import PicturesError, UnwritableError
from scv.data.own.version import Making, make_version
from scv.jobs.failures import forget_preparation_failure, keep_preparation_failure
from scv.jobs.prepare_state import StoppedError, Teller, forget_progress
from scv.message import say
from scv.settings import Settings
from scv.stage import Stage

REFUSED = 3
"""No version can be made of these pictures; 1 is what any error in a program ends with."""


def main() -> int:
    making = msgspec.json.decode(sys.stdin.buffer.read(), type=Making)
    data_dir = Settings.from_environment().data_dir
    on_progress = Teller(data_dir, making.target)
    forget_preparation_failure(data_dir, making.target)
    try:
        make_version(
            data_dir,
            making,
            lambda done, total: on_progress(Stage(say("Reading the pictures"), done=done, total=total)),
        )
    except StoppedError:
        return 0  # as somebody wished
    except PicturesError as error:
        keep_preparation_failure(data_dir, making.target, error.message)
        return 1 if isinstance(error, UnwritableError) else REFUSED
    finally:
        forget_progress(data_dir, making.target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
