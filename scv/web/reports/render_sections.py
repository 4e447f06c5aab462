"""The sections of a report as HTML, for the page and for the HTML file."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog
from markupsafe import Markup

from scv.blocks.params import Param
from scv.message import Message, say
from scv.report.contents import CONTENTS, Contents, FailedSection, SectionState, file_of, read_section
from scv.report.metrics import Metrics
from scv.training.settings import FIELDS, TrainingSettings
from scv.web.http.render import Renderer
from scv.web.reports.addresses import SectionLink
from scv.web.reports.sections.context import SectionContext
from scv.web.reports.sections.order import SECTIONS

DAMAGED = say("This part is damaged, or was made by another version of SCV. Make the report again.")

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class RenderedSection:
    """A section: its state, its HTML where it is done, and the reason where it failed."""

    name: str
    title: str
    state: str
    html: Markup | None = None
    problem: Message | None = None

    @property
    def ended(self) -> bool:
        """Whether the section is done or failed."""
        return self.state in ("done", "failed")


def planned_sections(folder: Path) -> tuple[SectionState, ...]:
    """The planned sections that can be shown, in the order of reading; empty where there is no readable report."""
    with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        contents = msgspec.json.decode((folder / CONTENTS).read_bytes(), type=Contents)
        planned = {state.name: state for state in contents.sections}
        return tuple(planned[name] for name in SECTIONS if name in planned)
    return ()


def render_section(
    renderer: Renderer,
    language: str,
    folder: Path,
    state: SectionState,
    address: Callable[[str], str],
    link: SectionLink | None,
) -> RenderedSection:
    """Render one section by its macro. Where that fails the section says so, and the others are not affected."""
    section = RenderedSection(state.name, state.title, state.state)
    if not section.ended:
        return section
    try:
        context = SectionContext(folder, class_names_of(folder), link.chosen if link else {}, whole=link is None)
        view = SECTIONS[state.name].view((folder / file_of(state.name)).read_bytes(), context)
        if isinstance(view, FailedSection):
            return RenderedSection(state.name, state.title, "failed", problem=view.message)
        html = renderer.macro(language, f"reports/sections/{state.name}.html", "section", view, address, link)
    except Exception as error:
        log.warning("a section of a report cannot be shown", section=state.name, folder=str(folder), exc_info=error)
        return RenderedSection(state.name, state.title, "failed", problem=DAMAGED)
    return RenderedSection(state.name, state.title, "done", html)


def class_names_of(folder: Path) -> tuple[str, ...]:
    """The names of the classes, from the section on metrics; empty where that was not made."""
    figures = read_section(folder, "metrics", Metrics)
    return () if figures is None else tuple(row.name for row in figures.classes)


def written_settings(settings: TrainingSettings) -> tuple[tuple[Param, str], ...]:
    """All training settings with their values as text."""
    return tuple((param, param.written(getattr(settings, param.name))) for param in FIELDS)
