"""The training settings as options of a command, one for each field."""

import sys
from argparse import ArgumentParser, Namespace
from typing import Any

import msgspec

from scv.blocks.check import check
from scv.blocks.document import Document
from scv.blocks.params import ParamError
from scv.commands.failure import MisuseError
from scv.data.official.catalogue import DatasetInfo
from scv.training.recommend import network_facts, recommended
from scv.training.settings import FIELDS, TrainingSettings, defaults

_NAMES = {"learning_rate": ("--lr", "--learning-rate")}
_FIELDS = tuple(field for field in FIELDS if field.name not in ("device", "seeds"))
"""All but `device`, which has an option of its own, and `seeds`: a command trains one seed."""


def add_settings(parser: ArgumentParser) -> None:
    """Add an option for each setting."""
    group = parser.add_argument_group("training settings, where they are to differ from what the dataset begins with")
    group.add_argument("--recommended", action="store_true", help="begin with what suits the dataset and the network")
    for field in _FIELDS:
        names = _NAMES.get(field.name, (f"--{field.name.replace('_', '-')}",))
        text = f"{field.help} ({field.range})".replace("%", "%%")
        group.add_argument(*names, dest=field.name, metavar="VALUE", help=text)


def settings_from(arguments: Namespace, info: DatasetInfo, document: Document) -> TrainingSettings:
    """The settings as given; the others are the defaults of the dataset or the recommended ones.

    Reasons go to standard error. Raises `MisuseError` naming the one out of range.
    """
    values: dict[str, Any] = {}
    for field in _FIELDS:
        text = getattr(arguments, field.name)
        if text is None:
            continue
        try:
            values[field.name] = field.parse(text)
        except ParamError as error:
            raise MisuseError(str(error.message)) from None
    if not arguments.recommended:
        return msgspec.structs.replace(defaults(info), **values)
    advised = recommended(info, network_facts(document, check(document, info.shape, info.classes)))
    for reason in advised.reasons:
        print(f"scv: {reason}", file=sys.stderr)
    return msgspec.structs.replace(advised.settings, **values)
