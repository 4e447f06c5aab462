"""The parts of a report's page and file: which there are, in the order in which they are read, and their HTML."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog
from markupsafe import Markup

from scv.blocks.params import Param
from scv.message import Message, say
from scv.report.contents import CONTENTS, Contents, Failed, SectionState, file_of, read_section
from scv.report.metrics import Metrics
from scv.training.settings import FIELDS, TrainingSettings
from scv.web.http.render import Renderer
from scv.web.reports.context import Around
from scv.web.reports.links import Link
from scv.web.reports.views import SECTIONS

DAMAGED = say(
    "What is stored of this part is damaged, or was made by another version of SCV. Have the report made again."
)

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Part:
    """A section: its state, and its HTML where it is done, else perhaps why there is none."""

    name: str
    title: str
    state: str
    html: Markup | None = None
    problem: Message | None = None

    @property
    def ended(self) -> bool:
        """Whether there is no more to come."""
        return self.state in ("done", "failed")


def states_of(folder: Path) -> tuple[SectionState, ...]:
    """The sections that are planned and can be shown, in the order of reading; none where nothing can be read."""
    with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        contents = msgspec.json.decode((folder / CONTENTS).read_bytes(), type=Contents)
        planned = {state.name: state for state in contents.sections}
        return tuple(planned[name] for name in SECTIONS if name in planned)
    return ()


def show_part(
    renderer: Renderer,
    language: str,
    folder: Path,
    state: SectionState,
    picture: Callable[[str], str],
    link: Link | None,
) -> Part:
    """Render one section by its macro; one that cannot be read or shown says so and harms no other."""
    part = Part(state.name, state.title, state.state)
    if not part.ended:
        return part
    try:
        around = Around(folder, class_names_of(folder), link.chosen if link else {}, whole=link is None)
        shown = SECTIONS[state.name].read((folder / file_of(state.name)).read_bytes(), around)
        if isinstance(shown, Failed):
            return Part(state.name, state.title, "failed", problem=shown.message)
        html = renderer.macro(language, f"reports/sections/{state.name}.html", "section", shown, picture, link)
    except Exception as error:
        log.warning("a part of a report cannot be shown", section=state.name, folder=str(folder), exc_info=error)
        return Part(state.name, state.title, "failed", problem=DAMAGED)
    return Part(state.name, state.title, "done", html)


def class_names_of(folder: Path) -> tuple[str, ...]:
    """What the classes are called, of the section that says so; none where it was not made."""
    figures = read_section(folder, "metrics", Metrics)
    return () if figures is None else tuple(row.name for row in figures.classes)


def told_settings(settings: TrainingSettings) -> tuple[tuple[Param, str], ...]:
    """All training settings as they are written."""
    return tuple((param, param.written(getattr(settings, param.name))) for param in FIELDS)
