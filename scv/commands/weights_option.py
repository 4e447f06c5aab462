"""Weights as an argument of a command: the path of their file, or the number of a run."""

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

from scv.commands.failure import MisuseError
from scv.files import Files, weights_key
from scv.message import foreign
from scv.settings import Settings

_MOST_DIGITS = 18  # the integers of the database have no more


def add_weights(parser: ArgumentParser) -> None:
    """Add the argument `weights`, and `--data-dir`, where runs are looked up."""
    parser.add_argument(
        "weights", metavar="WEIGHTS|RUN", help="a weights.safetensors as `scv train` writes it, or the number of a run"
    )
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where datasets and runs lie")


def data_dir_of(arguments: Namespace) -> Path:
    """The folder of `--data-dir`, else of the settings. Raises `RefusedError` where the settings cannot be read."""
    settings = Settings.from_environment()
    if arguments.data_dir is not None:
        settings = replace(settings, data_dir=arguments.data_dir).resolved()
    return settings.data_dir


def weights_of(text: str, data_dir: Path) -> Path:
    """The file that the argument names; digits alone name a run. Raises `MisuseError` where there is no such file."""
    if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS:
        path = Files(data_dir / "files").path(weights_key(int(text)))
        if not path.is_file():
            raise MisuseError(f"Run {int(text)} has no weights in {data_dir}. --data-dir says where runs lie.")
        return path
    path = Path(text)
    try:
        there = path.is_file()
    except OSError:  # the name is too long, or the folder may not be read
        there = False
    if not there:
        raise MisuseError(
            f"There is no file {foreign(text, 200)}. Give the path of a weights.safetensors, or the number of a run."
        )
    return path
