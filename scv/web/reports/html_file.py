"""A report as one HTML file that needs no server: it holds its styles and images, and has no script."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from markupsafe import Markup

from scv.blocks.params import Param
from scv.db.base import now
from scv.report.contents import read_section
from scv.report.summary import Summary
from scv.settings import ROOT
from scv.training.settings import TrainingSettings
from scv.web.http.render import Renderer
from scv.web.reports.addresses import EmbeddedImages
from scv.web.reports.render_sections import RenderedSection, planned_sections, render_section, written_settings
from scv.web.runs.live import LiveRun

_SUBJECTS = ("tokens", "base", "components", "runs", "reports")


@dataclass(frozen=True)
class ReportFile:
    """The values of the template. `live` is the training as the page of its run shows it; None where unknown."""

    name: str
    style: Markup
    parts: tuple[RenderedSection, ...]
    live: LiveRun | None
    settings: TrainingSettings | None
    made_at: datetime

    @property
    def told(self) -> tuple[tuple[Param, str], ...]:
        """All training settings with their values as text; empty where they are not known."""
        return () if self.settings is None else written_settings(self.settings)


def report_html(renderer: Renderer, language: str, folder: Path, name: str, live: LiveRun | None = None) -> bytes:
    """The finished sections of the report in `folder`, about the network of this name, in one of the languages."""
    parts = tuple(
        render_section(renderer, language, folder, state, EmbeddedImages(folder), None)
        for state in planned_sections(folder)
        if state.state in ("done", "failed")
    )
    sheets = (ROOT / "static" / "css" / f"{subject}.css" for subject in _SUBJECTS)
    style = Markup("\n".join(sheet.read_text() for sheet in sheets))  # noqa: S704 - stylesheets of our own
    summary = read_section(folder, "summary", Summary)
    settings = None if summary is None else summary.provenance.settings
    page = ReportFile(name, style, parts, live, settings, now())
    return renderer.document(language, "reports/file.html", page).encode()
