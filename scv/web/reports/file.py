"""A report as one HTML file that needs no server: its stylesheet and pictures are inside, and it has no script."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from markupsafe import Markup

from scv.blocks.params import Param
from scv.db.tables import now
from scv.report.contents import read_section
from scv.report.summary import Summary
from scv.settings import ROOT
from scv.training.settings import TrainingSettings
from scv.web.http.render import Renderer
from scv.web.reports.links import PicturesWithin
from scv.web.reports.parts import Part, show_part, states_of, told_settings
from scv.web.runs.live import LiveRun

_STYLES = ("tokens", "base", "components", "runs", "reports")


@dataclass(frozen=True)
class ReportFile:
    """The file's page. `live` is the training as its run's page shows it, where that is known."""

    name: str
    style: Markup
    parts: tuple[Part, ...]
    live: LiveRun | None
    settings: TrainingSettings | None
    made_at: datetime

    @property
    def told(self) -> tuple[tuple[Param, str], ...]:
        """All training settings as they are written; none where they are not known."""
        return () if self.settings is None else told_settings(self.settings)


def report_html(renderer: Renderer, language: str, folder: Path, name: str, live: LiveRun | None = None) -> bytes:
    """The report in `folder`, as far as it is made, about the network of this name, in one of the languages."""
    parts = tuple(
        show_part(renderer, language, folder, state, PicturesWithin(folder), None)
        for state in states_of(folder)
        if state.state in ("done", "failed")
    )
    style = Markup("\n".join((ROOT / "static" / "css" / f"{subject}.css").read_text() for subject in _STYLES))  # noqa: S704 - our own
    summary = read_section(folder, "summary", Summary)
    settings = None if summary is None else summary.provenance.settings
    page = ReportFile(name, style, parts, live, settings, now())
    return renderer.document(language, "reports/file.html", page).encode()
