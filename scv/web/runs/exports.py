"""What can be taken away from a run: the network in several forms, its figures as tables, and the certificate."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from scv.db.runs import result_of
from scv.db.tables import Run
from scv.export.tables import (
    as_json,
    classes_csv,
    classes_json,
    confusion_csv,
    confusion_json,
    history_csv,
    history_json,
    result_csv,
    result_json,
)
from scv.files import Files, report_folder
from scv.message import Message, mark, say
from scv.report.contents import CONTENTS, Contents, read_section
from scv.report.metrics import ClassFigures, Metrics
from scv.report.parity import Parity
from scv.web.runs.live import metrics_of

S = TypeVar("S", bound=msgspec.Struct)

ONNX = "network.onnx"
"""In a report's folder, and in the address."""

CERTIFICATE = "certificate.json"


@dataclass(frozen=True)
class Link:
    """One file: the word on its button, its address, and its bytes where they are known."""

    label: str
    href: str
    bytes: int | None = None


@dataclass(frozen=True)
class Offer:
    """A thing in all the forms that it can be taken away in; where there is none, `absent` says why. Gettext ids."""

    title: str
    text: str
    links: tuple[Link, ...] = ()
    absent: Message | None = None


def offers(run: Run, files: Files) -> tuple[Offer, ...]:
    """What a page offers of an ended run, which is loaded with its metrics."""
    base = f"/runs/{run.id}"
    folder = files.path(report_folder(run.id))
    weights = _weights(run, files)
    done = _done(folder)
    later = say("It is made together with the report.") if weights else say("This run has no weights.")

    def pair(name: str, there: bool, absent: Message) -> tuple[tuple[Link, ...], Message | None]:
        both = tuple(Link(form.upper(), f"{base}/files/{name}.{form}") for form in ("csv", "json"))
        return (both, None) if there else ((), absent)

    onnx = folder / ONNX
    problem = _problem(folder) if weights and "parity" in done else None
    return (
        Offer(
            mark("Weights"),
            mark("What it learned, for PyTorch: safetensors, which runs no code when it is read."),
            (Link("safetensors", f"{base}/weights.safetensors", weights),) if weights else (),
            None if weights else later,
        ),
        Offer(
            mark("ONNX"),
            mark(
                "The whole network in one file for other programs, phones and browsers; it takes pixels from 0 to 255."
            ),
            (Link("ONNX", f"{base}/files/{ONNX}", onnx.stat().st_size),) if weights and onnx.is_file() else (),
            None if weights and onnx.is_file() else problem or later,
        ),
        Offer(
            mark("Program"),
            mark("PyTorch code that trains the same network by itself, without SCV."),
            (
                Link(mark("Script"), f"{base}/script.py"),
                Link(mark("Notebook"), f"{base}/files/notebook.ipynb"),
            ),
        ),
        Offer(
            mark("Epochs"),
            mark("Loss and accuracy of every epoch."),
            *pair("epochs", bool(run.metrics), say("No epoch was finished.")),
        ),
        Offer(
            mark("Result"),
            mark("Test accuracy, time, device and versions."),
            *pair("result", result_of(run) is not None, say("The run did not finish.")),
        ),
        Offer(
            mark("Figures of each class"),
            mark("How many pictures, precision, recall and F1."),
            *pair("classes", "metrics" in done, later),
        ),
        Offer(
            mark("Confusions"),
            mark("How often each class was taken for which."),
            *pair("confusion", "metrics" in done, later),
        ),
        Offer(
            mark("Certificate"),
            mark("How exactly script and ONNX file answer as the network does, with versions and date."),
            (Link("JSON", f"{base}/files/{CERTIFICATE}"),) if "parity" in done else (),
            None if "parity" in done else later,
        ),
    )


def _weights(run: Run, files: Files) -> int | None:
    """The bytes of the run's weights; None where it has none."""
    with suppress(ValueError, OSError):  # no key of ours; no such file
        return files.path(run.weights).stat().st_size if run.weights else None
    return None


def _done(folder: Path) -> frozenset[str]:
    """The sections that the report has."""
    with suppress(OSError, msgspec.DecodeError):
        contents = msgspec.json.decode((folder / CONTENTS).read_bytes(), type=Contents)
        return frozenset(section.name for section in contents.sections if section.state == "done")
    return frozenset()


def _problem(folder: Path) -> Message | None:
    """Why there is no ONNX file, where the certificate says so."""
    certificate = read_section(folder, "parity", Parity)
    return None if certificate is None else certificate.problem


def _columns(rows: Sequence[ClassFigures]) -> Mapping[str, list[int | float | None]]:
    names = [field.name for field in msgspec.structs.fields(ClassFigures) if field.name != "name"]
    return {name: [getattr(row, name) for row in rows] for name in names}


def _classes(write: Callable[..., bytes], figures: Metrics) -> bytes:
    return write([row.name for row in figures.classes], _columns(figures.classes))


def _confusion(write: Callable[..., bytes], figures: Metrics) -> bytes:
    return write(figures.confusion.counts, [row.name for row in figures.classes])


def table(name: str, run: Run, files: Files) -> bytes | None:
    """The file of figures that is called so, None where there is none; the run is loaded with its metrics."""
    folder = files.path(report_folder(run.id))
    kind, _, form = name.partition(".")
    if form not in ("csv", "json"):
        return None
    csv = form == "csv"
    if kind == "epochs" and run.metrics:
        return (history_csv if csv else history_json)(tuple(map(metrics_of, run.metrics)))
    if kind == "result" and (result := result_of(run)) is not None:
        return (result_csv if csv else result_json)(result)
    if kind in ("classes", "confusion") and (figures := read_section(folder, "metrics", Metrics)) is not None:
        if kind == "classes":
            return _classes(classes_csv if csv else classes_json, figures)
        return _confusion(confusion_csv if csv else confusion_json, figures)
    if name == CERTIFICATE and (parity := read_section(folder, "parity", Parity)) is not None:
        return as_json(parity)
    return None
