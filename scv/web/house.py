"""What every page needs, made once at the start of the web process."""

from collections.abc import Mapping
from dataclasses import dataclass

from scv.db.engine import Database
from scv.files import Files
from scv.jobs.queue import Queue
from scv.settings import Settings
from scv.web.language import Language
from scv.web.render import Renderer
from scv.web.visitor import SessionCookie


@dataclass(frozen=True, kw_only=True)
class House:
    settings: Settings
    database: Database
    queue: Queue
    files: Files
    renderer: Renderer
    languages: Mapping[str, Language]
    session_cookie: SessionCookie
