"""The one log of every process: lines for people, or JSON lines where `SCV_LOG_FORMAT` is `json`.

Loggers of structlog and of the standard library both end here, so that uvicorn, SQLAlchemy, arq, alembic and Python's
warnings stand among our own lines. Each line has what is bound at that moment: the process, and the id of the request,
run, task or job that it is about. Who writes in our code uses `structlog.stdlib.get_logger`.

Tracebacks show no values of variables, for they may be cookies, names and documents. Secrets in addresses are
hidden.
"""

import json
import logging
import os
import re
import sys
import threading
from collections.abc import Mapping
from types import TracebackType

import structlog
from structlog.typing import EventDict, Processor

CONTEXT = "SCV_LOG_CONTEXT"
"""The environment variable by which a process learns what its parent's lines were about when it was started."""

_SECRETS = re.compile(
    r"""(?ix)
    (?P<before> \b\w*(?:token|secret|password)= | [?&](?:code|state)= | \bscv_\w+= ) [^\s&"'\\<>;,)]+
    | (?P<address> ://[^\s/@:]*: ) [^\s/@]+ (?=@)
    """
)
"""What follows the name of a secret in an address or a cookie, and the password in an address."""

_process: dict[str, object] = {}
"""What is bound for all threads of this process."""

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(__name__)


def configure_log(form: str, process: str, environment: Mapping[str, str] = os.environ) -> None:
    """Send everything that is logged in this process to its standard error, as `form`, `console` or `json`, says.

    `process` is its name in each line. What the parent bound in the environment is bound here as well.
    """
    _process.clear()
    bind_process(process=process, pid=os.getpid(), **json.loads(environment.get(CONTEXT) or "{}"))
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _merge_process,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.TimeStamper("iso" if form == "json" else "%Y-%m-%d %H:%M:%S", utc=True),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(form)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def bind_process(**ids: object) -> None:
    """Bind ids for all lines of this process from now on, whichever thread writes them."""
    _process.update(ids)


def context_for_child() -> dict[str, str]:
    """The environment that binds in a child process what is bound at this moment here."""
    return {CONTEXT: json.dumps(structlog.contextvars.get_contextvars(), default=str)}


def _renderers(form: str) -> list[Processor]:
    if form == "json":
        return [
            structlog.processors.format_exc_info,
            _hiding_secrets(structlog.processors.JSONRenderer(ensure_ascii=False)),
        ]
    lines = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )
    return [_hiding_secrets(lines)]


def _hiding_secrets(render: Processor) -> Processor:
    """The renderer, whose lines then name no secrets, wherever they came from."""

    def render_and_hide(logger: object, method: str, event: EventDict) -> str:
        line = str(render(logger, method, event))
        return _SECRETS.sub(lambda found: f"{found['before'] or found['address']}***", line)

    return render_and_hide


def _merge_process(logger: object, method: str, event: EventDict) -> EventDict:
    for name, value in _process.items():
        event.setdefault(name, value)
    return event


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        log.critical("uncaught exception", exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_type is not SystemExit and failure.exc_value is not None:
        log.critical("uncaught exception in a thread", exc_info=failure.exc_value)
