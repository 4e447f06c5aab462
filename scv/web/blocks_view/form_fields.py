"""The form fields of parameters and training settings: their names, their texts, and reading them."""

from typing import Any

import msgspec

from scv.blocks.params import Param, ParamError
from scv.message import Message
from scv.training.settings import FIELDS, TrainingSettings
from scv.web.http.forms import Form

MAX_FIELD = 200
"""The most characters of a field that are read."""


def param_field(block: str, name: str) -> str:
    """The form field of a block's parameter."""
    return f"param:{block}:{name}"


def setting_field(name: str) -> str:
    """The form field of a training setting."""
    return f"setting:{name}"


def shown_value(param: Param, value: Any) -> str:
    """The text of a stored value. A document from elsewhere may hold a value of any type."""
    try:
        return param.written(param.validate(value))
    except ParamError:
        return str(value)[:MAX_FIELD]


def typed_settings(form: Form, settings: TrainingSettings, refused: dict[str, Message]) -> TrainingSettings:
    """The settings with the changes of a form. Invalid values are put into `refused` by their field."""
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
