"""The web process: its pages, its services and its settings of Litestar."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from litestar import Litestar, Router
from litestar.datastructures import CacheControlHeader, State
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler
from litestar_htmx import HTMXPlugin

from scv.db.engine import Database
from scv.files import Files
from scv.jobs.queue import Queue
from scv.log import configure_log
from scv.settings import ROOT, Settings
from scv.web.accounts.pages import SessionController
from scv.web.admin.pages import WorkersController
from scv.web.datasets.collect_pages import CollectController
from scv.web.datasets.new_pages import NewDatasetController
from scv.web.datasets.own_pages import OwnDatasetController
from scv.web.datasets.pages import DatasetController
from scv.web.editor.document_pages import DocumentController
from scv.web.editor.pages import VersionController
from scv.web.http import errors
from scv.web.http.context import provide_context, provide_services, provide_user, refuse_impossible_paths
from scv.web.http.cookies import SessionCookie
from scv.web.http.language import load_languages
from scv.web.http.request_id import with_request_ids
from scv.web.http.security import BODY_BYTES, FormCheck, add_headers, csrf_config, read_secret
from scv.web.http.services import Services
from scv.web.http.uploads import sweep_uploads
from scv.web.models.pages import ModelController
from scv.web.renderer import make_renderer
from scv.web.reports.pages import ReportController
from scv.web.runs.export_pages import ExportController
from scv.web.runs.pages import RunController
from scv.web.runs.try_pages import TryController
from scv.web.site.health import health
from scv.web.site.home import home
from scv.web.tasks.pages import TaskController

DRAIN_SECONDS = 2
"""How long a stopping process waits for open event streams. Browsers connect again by themselves."""


PAGES: list[ControllerRouterHandler] = [
    home,
    health,
    SessionController,
    ModelController,
    VersionController,
    DocumentController,
    RunController,
    ExportController,
    ReportController,
    TryController,
    DatasetController,
    OwnDatasetController,
    CollectController,
    NewDatasetController,
    TaskController,
    WorkersController,
]


GARBAGE_THRESHOLD = 50_000
"""So many new objects come between two searches for garbage in cycles.

A page makes many objects and hardly any cycles. With Python's usual 700 the searches took a tenth of an edit's time.
"""


@asynccontextmanager
async def open_services(app: Litestar) -> AsyncIterator[None]:
    """What the pages need, as `app.state.services`, from the application's start to its end."""
    settings: Settings = app.state.settings
    database = Database(settings.database_url)
    queue = Queue.open(settings)
    sweep_uploads(settings.data_dir / "files" / "uploads")
    app.state.services = Services(
        settings=settings,
        database=database,
        queue=queue,
        files=Files(settings.data_dir / "files"),
        renderer=app.state.renderer,
        languages=app.state.languages,
        session_cookie=SessionCookie(read_secret(settings.data_dir), settings.session_days),
    )
    usual = gc.get_threshold()
    gc.set_threshold(GARBAGE_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        await queue.close()
        await database.close()


def create_app(settings: Settings) -> Litestar:
    """The application. It opens the database and the queue when it starts, and closes them when it stops."""
    secret = read_secret(settings.data_dir)
    languages = load_languages(ROOT / "translations")
    app = Litestar(
        route_handlers=[*PAGES, _static_files()],
        plugins=[HTMXPlugin()],
        lifespan=[open_services],
        state=State({"settings": settings, "renderer": make_renderer(languages), "languages": languages}),
        dependencies={
            "services": Provide(provide_services, sync_to_thread=False),
            "context": Provide(provide_context),
            "user": Provide(provide_user, sync_to_thread=False),
        },
        middleware=[DefineMiddleware(FormCheck, config=csrf_config(secret))],
        before_request=refuse_impossible_paths,
        before_send=[add_headers],
        exception_handlers=errors.HANDLERS,
        request_max_body_size=BODY_BYTES,
        openapi_config=None,
        logging_config=None,
    )
    app.asgi_handler = with_request_ids(app.asgi_handler)  # a middleware does not run for unknown addresses
    return app


def _static_files() -> Router:
    """The files of `static/`. Their addresses hold a fingerprint, so browsers keep them for ever."""
    return create_static_files_router(
        path="/static",
        directories=[ROOT / "static"],
        cache_control=CacheControlHeader(public=True, max_age=31_536_000, immutable=True),
        exception_handlers=errors.STATIC_HANDLERS,
    )


def run(settings: Settings) -> None:
    """Serve until a signal ends the process."""
    configure_log(settings.log_format, "web")
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,  # its lines hold whole addresses, which hold tokens
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
