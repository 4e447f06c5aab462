"""A network as a download: the block document, and the script and the notebook that train it."""

from collections.abc import Callable

import msgspec
from litestar import Response

from scv.blocks.codegen import InvalidDocumentError
from scv.blocks.document import Document, encode
from scv.data.official.catalogue import DatasetInfo
from scv.errors import RefusedError
from scv.export.notebook import notebook
from scv.export.script import script
from scv.training.batches import BatchRefusedError
from scv.training.settings import TrainingSettings
from scv.web.http.forms import file_name


def as_document(name: str, document: Document) -> Response[bytes]:
    """The block document as indented JSON. It may have errors."""
    text = msgspec.json.format(encode(document), indent=2)
    return as_file(text + b"\n", "application/json", file_name(name, "json"))


def as_script(name: str, dataset: DatasetInfo, document: Document, settings: TrainingSettings) -> Response[bytes]:
    """The script that trains the network without SCV. Raises `RefusedError` where it cannot be trained."""
    file = file_name(name, "py")
    text = _written(lambda: script(document, dataset, settings, title=name, file=file))
    return as_file(text, "text/x-python", file)


def as_notebook(name: str, dataset: DatasetInfo, document: Document, settings: TrainingSettings) -> Response[bytes]:
    """The script as a Jupyter notebook. Raises `RefusedError` where it cannot be trained."""
    text = _written(lambda: notebook(document, dataset, settings, title=name))
    return as_file(text, "application/x-ipynb+json", file_name(name, "ipynb"))


def _written(write: Callable[[], str]) -> bytes:
    try:
        return write().encode()
    except (InvalidDocumentError, BatchRefusedError) as error:
        raise RefusedError(error.message) from error


def as_file(content: bytes, media_type: str, name: str) -> Response[bytes]:
    """An answer that the browser saves as a file. `name` must come from `file_name`."""
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
