"""What handlers need, made once at the start of the web process."""

from collections.abc import Mapping
from dataclasses import dataclass

from scv.db.engine import Database
from scv.files import Files
from scv.jobs.queue import Queue
from scv.settings import Settings
from scv.web.http.cookies import SessionCookie
from scv.web.http.language import Language
from scv.web.http.render import Renderer


@dataclass(frozen=True, kw_only=True)
class Services:
    """Settings, database, queue, files and renderer of this process."""

    settings: Settings
    database: Database
    queue: Queue
    files: Files
    renderer: Renderer
    languages: Mapping[str, Language]
    session_cookie: SessionCookie
