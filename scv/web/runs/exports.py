"""What can be downloaded of a run: the network in several forms, its figures as tables, and the certificate."""

from collections.abc import Callable, Collection, Mapping, Sequence
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
"""The name of the file in the report's folder and in the address."""

CERTIFICATE = "certificate.json"


@dataclass(frozen=True)
class DownloadLink:
    """One file: the text of its button, its address, and its size in bytes where that is known."""

    label: str
    href: str
    bytes: int | None = None


@dataclass(frozen=True)
class Offer:
    """Something to download in one or more forms. `title` and `text` are gettext ids.

    `absent` says why there is no link, where there is none.
    """

    title: str
    text: str
    links: tuple[DownloadLink, ...] = ()
    absent: Message | None = None


def offers(run: Run, files: Files) -> tuple[Offer, ...]:
    """All that a page offers of an ended run. The run must be loaded with its metrics."""
    folder = files.path(report_folder(run.id))
    weights = _weights(run, files)
    with_report = say("It is made together with the report.") if weights else say("This run has no weights.")
    done = _done(folder)
    return (
        *_network_offers(run, folder, weights, done, with_report),
        *_table_offers(run, done, with_report),
        Offer(
            mark("Test certificate"),
            mark("How closely script and ONNX file match the network, with versions and date."),
            (DownloadLink("JSON", f"{_files_of(run)}/{CERTIFICATE}"),) if "parity" in done else (),
            None if "parity" in done else with_report,
        ),
    )


def _files_of(run: Run) -> str:
    return f"/runs/{run.id}/files"


def _network_offers(
    run: Run, folder: Path, weights: int | None, done: Collection[str], with_report: Message
) -> tuple[Offer, ...]:
    """The network as weights, as ONNX and as a program."""
    onnx = folder / ONNX
    problem = _problem(folder) if weights and "parity" in done else None
    has_onnx = bool(weights) and onnx.is_file()
    return (
        Offer(
            mark("Weights"),
            mark("Weights for PyTorch as safetensors, a format that runs no code when it is loaded."),
            (DownloadLink("safetensors", f"/runs/{run.id}/weights.safetensors", weights),) if weights else (),
            None if weights else with_report,
        ),
        Offer(
            mark("ONNX"),
            mark(
                "The whole network in one file for other programs, phones and browsers; it takes pixels from 0 to 255."
            ),
            (DownloadLink("ONNX", f"{_files_of(run)}/{ONNX}", onnx.stat().st_size),) if has_onnx else (),
            None if has_onnx else problem or with_report,
        ),
        Offer(
            mark("Program"),
            mark("PyTorch code that trains the same network by itself, without SCV."),
            (
                DownloadLink(mark("Script"), f"/runs/{run.id}/script.py"),
                DownloadLink(mark("Notebook"), f"{_files_of(run)}/notebook.ipynb"),
            ),
        ),
    )


def _table_offers(run: Run, done: Collection[str], with_report: Message) -> tuple[Offer, ...]:
    """The figures of the run, each table as CSV and as JSON."""

    def offer(title: str, text: str, name: str, exists: bool, absent: Message) -> Offer:
        both = tuple(DownloadLink(form.upper(), f"{_files_of(run)}/{name}.{form}") for form in ("csv", "json"))
        return Offer(title, text, both) if exists else Offer(title, text, absent=absent)

    finished, reported = result_of(run) is not None, "metrics" in done
    return (
        offer(
            mark("Epochs"),
            mark("Loss and accuracy of every epoch."),
            "epochs",
            bool(run.metrics),
            say("No epoch was finished."),
        ),
        offer(
            mark("Result"),
            mark("Test accuracy, time, device and versions."),
            "result",
            finished,
            say("The run did not finish."),
        ),
        offer(
            mark("Scores of each class"),
            mark("How many images, precision, recall and F1."),
            "classes",
            reported,
            with_report,
        ),
        offer(
            mark("Confusion matrix"),
            mark("How often each class was predicted as another."),
            "confusion",
            reported,
            with_report,
        ),
    )


def _weights(run: Run, files: Files) -> int | None:
    """The size of the run's weights in bytes; None where it has none."""
    with suppress(ValueError, OSError):  # no key of ours; no such file
        return files.path(run.weights).stat().st_size if run.weights else None
    return None


def _done(folder: Path) -> frozenset[str]:
    """The names of the finished sections of the report."""
    with suppress(OSError, msgspec.DecodeError):
        contents = msgspec.json.decode((folder / CONTENTS).read_bytes(), type=Contents)
        return frozenset(section.name for section in contents.sections if section.state == "done")
    return frozenset()


def _problem(folder: Path) -> Message | None:
    """The reason why there is no ONNX file, from the certificate; None where it names none."""
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
    """The file of figures of this name; None where there is none. The run must be loaded with its metrics."""
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
