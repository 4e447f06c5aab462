"""The form fields of parameters and training settings: their names, what stands in them, and how they are read."""

from typing import Any

import msgspec

from scv.blocks.params import Param, ParamError
from scv.message import Message
from scv.training.settings import FIELDS, TrainingSettings
from scv.web.http.forms import Form

MAX_FIELD = 200
"""Longest text of a field that is read, in characters."""


def param_field(block: str, name: str) -> str:
    """The form field of a block's parameter."""
    return f"param:{block}:{name}"


def setting_field(name: str) -> str:
    """The form field of a training setting."""
    return f"setting:{name}"


def shown_value(param: Param, value: Any) -> str:
    """What stands in the field of a stored value, which a foreign document may hold in any form."""
    try:
        return param.written(param.validate(value))
    except ParamError:
        return str(value)[:MAX_FIELD]


def typed_settings(form: Form, settings: TrainingSettings, refused: dict[str, Message]) -> TrainingSettings:
    """The settings with what a form changes; what cannot be used is noted in `refused`, by its field."""
    changed: dict[str, Any] = {}
    for param in FIELDS:
        field = setting_field(param.name)
        if field not in form or form[field].strip() == param.written(getattr(settings, param.name)):
            continue
        try:
            changed[param.name] = param.parse(form[field][:MAX_FIELD])
        except ParamError as error:
            refused[field] = error.message
    return msgspec.structs.replace(settings, **changed)
