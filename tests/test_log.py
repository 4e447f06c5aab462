"""The log of a process: what its lines hold, and what they do not."""

import json
import subprocess
import sys
from typing import Any

import pytest

from scv.log import CONTEXT
from scv.settings import ROOT

SETUP = """
import asyncio, logging, threading, warnings
import structlog
from scv.log import bind_process, configure_log, context_for_child
configure_log({form!r}, "trial")
log = structlog.stdlib.get_logger("scv.trial")
"""


def logged(code: str, form: str = "json", context: str = "") -> str:
    """What a process that runs the code writes to its standard error; nothing may stand on its standard output."""
    done = subprocess.run(
        [sys.executable, "-c", SETUP.format(form=form) + code],
        cwd=ROOT,
        env={"PATH": "", CONTEXT: context},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
    return done.stderr


def lines(code: str, context: str = "") -> list[dict[str, Any]]:
    return [json.loads(line) for line in logged(code, context=context).splitlines()]


def test_our_lines_those_of_libraries_and_warnings_look_alike() -> None:
    written = lines("""
structlog.contextvars.bind_contextvars(run=7)
log.info("one", pages=3)
logging.getLogger("sqlalchemy.pool").warning("two %s", "values")
logging.getLogger("arq.worker").info("three")
warnings.warn("four")
""")
    assert [line["logger"] for line in written] == ["scv.trial", "sqlalchemy.pool", "arq.worker", "py.warnings"]
    assert [line["level"] for line in written] == ["info", "warning", "info", "warning"]
    assert [line["event"] for line in written[:3]] == ["one", "two values", "three"]
    assert "four" in written[3]["event"]
    assert written[0]["pages"] == 3
    for line in written:
        assert (line["process"], line["run"]) == ("trial", 7)
        assert line["pid"] > 0
        assert line["timestamp"].endswith("Z")


def test_a_line_for_people_is_one_line_with_all_that_is_bound() -> None:
    (line,) = logged(
        """
structlog.contextvars.bind_contextvars(run=7)
log.info("one", pages=3)
log.debug("not shown")
""",
        "console",
    ).splitlines()
    assert "[info" in line
    assert "one" in line
    assert {"run=7", "pages=3", "process=trial"} <= set(line.split())


def test_a_child_knows_what_its_parent_was_about_in_all_its_threads() -> None:
    context = lines("""
structlog.contextvars.bind_contextvars(task=12, job="report:3")
log.info("x", context=context_for_child())
""")[0]["context"][CONTEXT]
    written = lines(
        """
log.info("main")
bind_process(run=3)
thread = threading.Thread(target=lambda: log.info("thread"))
thread.start()
thread.join()
""",
        context,
    )
    assert [(line["task"], line["job"], line.get("run")) for line in written] == [
        (12, "report:3", None),
        (12, "report:3", 3),
    ]


@pytest.mark.parametrize("form", ["json", "console"])
def test_an_uncaught_exception_is_logged_without_values(form: str) -> None:
    written = logged(
        """
bind_process(run=7)
def fail():
    mine = "a very private word"
    raise ValueError("broken")
def in_thread():
    fail()
thread = threading.Thread(target=in_thread)
thread.start()
thread.join()
fail()
""",
        form,
    )
    assert written.count("ValueError: broken") == 2
    assert "in fail" in written
    assert "uncaught exception in a thread" in written
    assert written.count("uncaught exception") == 2
    assert '"run": 7' in written if form == "json" else "run=7" in written
    assert "a very private word" not in written


def test_a_task_of_asyncio_whose_exception_nobody_takes_is_logged() -> None:
    (line,) = lines("""
import gc
async def fail():
    raise ValueError("broken")
async def main():
    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    del task
    gc.collect()
asyncio.run(main())
""")
    assert (line["logger"], line["level"]) == ("asyncio", "error")
    assert "ValueError: broken" in line["exception"]


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET /sign-in?token=S3cret HTTP/1.1", "GET /sign-in?token=*** HTTP/1.1"),
        ("/sign-in?next=/models&token=S3cret&x=1", "/sign-in?next=/models&token=***&x=1"),
        ("/callback?code=S3cret&state=S3cret", "/callback?code=***&state=***"),
        ("_csrf_token=S3cret", "_csrf_token=***"),
        ("cookie: scv_session_0a1b=S3cret; theme=dark", "cookie: scv_session_0a1b=***; theme=dark"),
        ("postgresql+asyncpg://scv:S3cret@db:5432/scv", "postgresql+asyncpg://scv:***@db:5432/scv"),
        ("rediss://:S3cret@broker:6380/0", "rediss://:***@broker:6380/0"),
        ("http://127.0.0.1:8000/models?state=done", "http://127.0.0.1:8000/models?state=***"),
        ("run=3 state=failed code=child_died", "run=3 state=failed code=child_died"),
    ],
)
def test_no_secret_is_logged(form: str, text: str, shown: str) -> None:
    written = logged(
        f"""
log.warning({text!r})
logging.getLogger("uvicorn.error").warning("%s", {text!r})
try:
    raise ValueError({text!r})
except ValueError:
    log.exception("failed")
""",
        form,
    )
    assert written.count(shown) == 3
    assert "S3cret" not in written
