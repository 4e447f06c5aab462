"""The exceptions that a command reports in one line."""

from scv.blocks.codegen import InvalidDocumentError
from scv.blocks.codeparse import CodeError
from scv.blocks.document import DocumentError
from scv.blocks.operations import OperationError
from scv.data.errors import DatasetMissingError
from scv.data.own.archives import ImagesError
from scv.errors import SCVError
from scv.ml.errors import ExportError, TrainingError, WeightsError
from scv.training.batches import BatchRefusedError


class MisuseError(Exception):
    """The arguments are wrong: a file that does not exist, an unknown name."""


FAILURES = (
    BatchRefusedError,
    CodeError,
    DatasetMissingError,
    DocumentError,
    ExportError,
    InvalidDocumentError,
    MisuseError,
    OperationError,
    ImagesError,
    SCVError,
    TrainingError,
    WeightsError,
)
"""These exceptions are reported. Any other one is a defect of the program and shows its traceback."""


def as_line(error: BaseException) -> str:
    """The message of an exception as one line."""
    return " ".join(str(error).split())
