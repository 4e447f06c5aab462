"""The whole wiring of the web process on one page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from litestar import Litestar
from litestar.datastructures import CacheControlHeader, State
from litestar.di import Provide
from litestar.exceptions import InternalServerException
from litestar.middleware import DefineMiddleware
from litestar.static_files import create_static_files_router
from litestar_htmx import HTMXPlugin

from scv.db.engine import Database
from scv.files import Files
from scv.jobs.queue import Queue
from scv.settings import ROOT, Settings
from scv.web import errors
from scv.web.dependencies import provide_house, provide_user, provide_visit, refuse_impossible_paths
from scv.web.house import House
from scv.web.language import load_languages
from scv.web.log import configure_log
from scv.web.pages.collect import CollectController
from scv.web.pages.dataset import DatasetController
from scv.web.pages.document import DocumentController
from scv.web.pages.health import health
from scv.web.pages.home import home
from scv.web.pages.model import ModelController
from scv.web.pages.new_dataset import NewDatasetController
from scv.web.pages.own import OwnDatasetController
from scv.web.pages.report import ReportController
from scv.web.pages.run import RunController
from scv.web.pages.session import SessionController
from scv.web.pages.takeaway import TakeAwayController
from scv.web.pages.trying import TryController
from scv.web.pages.version import VersionController
from scv.web.pages.workers import WorkersController
from scv.web.render import Renderer
from scv.web.security import BODY_BYTES, FormCheck, add_headers, csrf_config, read_secret
from scv.web.uploads import sweep_uploads
from scv.web.visitor import SessionCookie

DRAIN_SECONDS = 2
"""How long open event streams may keep a stopping process; browsers connect again by themselves."""


def create_app(settings: Settings) -> Litestar:
    """The application; it opens the database and the queue when it starts and closes them when it stops."""
    configure_log()
    secret = read_secret(settings.data_dir)
    languages = load_languages(ROOT / "translations")
    renderer = Renderer(languages, ROOT / "templates", ROOT / "static")
    session_cookie = SessionCookie(secret, settings.session_days)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        database = Database(settings.database_url)
        queue = Queue.open(settings)
        sweep_uploads(settings.data_dir / "files" / "uploads")
        app.state.house = House(
            settings=settings,
            database=database,
            queue=queue,
            files=Files(settings.data_dir / "files"),
            renderer=renderer,
            languages=languages,
            session_cookie=session_cookie,
        )
        try:
            yield
        finally:
            await queue.close()
            await database.close()

    return Litestar(
        route_handlers=[
            home,
            health,
            SessionController,
            ModelController,
            VersionController,
            DocumentController,
            RunController,
            TakeAwayController,
            ReportController,
            TryController,
            DatasetController,
            OwnDatasetController,
            CollectController,
            NewDatasetController,
            WorkersController,
            create_static_files_router(
                path="/static",
                directories=[ROOT / "static"],
                cache_control=CacheControlHeader(public=True, max_age=31_536_000, immutable=True),
                exception_handlers={InternalServerException: errors.on_no_file},
            ),
        ],
        plugins=[HTMXPlugin()],
        lifespan=[lifespan],
        state=State({"renderer": renderer, "languages": languages}),
        dependencies={
            "house": Provide(provide_house, sync_to_thread=False),
            "visit": Provide(provide_visit),
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


def run(settings: Settings) -> None:
    """Serve until told to stop."""
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
