"""Failures that a command reports in one line, and how."""

from scv.blocks.codegen import InvalidDocumentError
from scv.blocks.codeparse import CodeError
from scv.blocks.document import DocumentError
from scv.blocks.operations import OperationError
from scv.data.errors import DatasetMissingError
from scv.data.own.archives import PicturesError
from scv.errors import SCVError
from scv.ml.errors import ExportError, TrainingError, WeightsError


class MisuseError(Exception):
    """The command cannot be carried out as it was given: a file that is not there, an unknown name."""


FAILURES = (
    CodeError,
    DatasetMissingError,
    DocumentError,
    ExportError,
    InvalidDocumentError,
    MisuseError,
    OperationError,
    PicturesError,
    SCVError,
    TrainingError,
    WeightsError,
)
"""What is reported; anything else is a defect of the program and shows its traceback."""


def as_line(error: BaseException) -> str:
    """The message as one line, whatever a library wrote into it."""
    return " ".join(str(error).split())
