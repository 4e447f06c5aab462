"""`python -m scv.jobs.version_process`: make a version of a person's own dataset, in a process of its own."""

import sys

import msgspec

from scv.data.own.archives import ImagesError, UnwritableError
from scv.data.own.version import VersionPlan, make_version
from scv.jobs.task_process import ProgressSender, TaskFailedError, run
from scv.message import say
from scv.settings import Settings
from scv.stage import Stage


def work(argument: str, on_progress: ProgressSender) -> None:
    """Make the version that the plan (JSON) describes. Raises `TaskFailedError`, refused where its images are bad."""
    plan = msgspec.json.decode(argument, type=VersionPlan)
    message = say("Reading the images")
    try:
        make_version(
            Settings.from_environment().data_dir,
            plan,
            lambda done, total: on_progress(Stage(message, done, total, "images")),
        )
    except ImagesError as error:
        raise TaskFailedError(error.message, refused=not isinstance(error, UnwritableError)) from error


if __name__ == "__main__":
    sys.exit(run(work))
