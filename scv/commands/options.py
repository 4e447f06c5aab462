"""The training settings as options of a command: one for each field, named and explained as everywhere else."""

from argparse import ArgumentParser, Namespace
from typing import Any

import msgspec

from scv.blocks.params import ParamError
from scv.blocks.training import FIELDS, TrainingSettings, defaults
from scv.commands.failure import MisuseError
from scv.data.catalogue import DatasetInfo

_NAMES = {"learning_rate": ("--lr", "--learning-rate")}
_FIELDS = tuple(field for field in FIELDS if field.name != "device")
"""A device is named more finely here, such as cuda:1, by an option of its own."""


def add_settings(parser: ArgumentParser) -> None:
    """Add an option for each setting."""
    group = parser.add_argument_group("training settings, where they are to differ from what the dataset begins with")
    for field in _FIELDS:
        names = _NAMES.get(field.name, (f"--{field.name.replace('_', '-')}",))
        text = f"{field.help} ({field.range})".replace("%", "%%")
        group.add_argument(*names, dest=field.name, metavar="VALUE", help=text)


def settings_from(arguments: Namespace, info: DatasetInfo) -> TrainingSettings:
    """The training settings as given, defaults elsewhere. Raises `MisuseError` naming the one out of range."""
    values: dict[str, Any] = {}
    for field in _FIELDS:
        text = getattr(arguments, field.name)
        if text is None:
            continue
        try:
            values[field.name] = field.parse(text)
        except ParamError as error:
            raise MisuseError(str(error.message)) from None
    return msgspec.structs.replace(defaults(info), **values)
