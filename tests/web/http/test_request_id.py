"""Each request has an id, which every line bears that is logged while it is handled."""

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from scv.db.tables import Version
from tests.web.conftest import Visitor, add_version, path_of

HEADER = "x-request-id"

Logged = Callable[[], list[dict[str, Any]]]


@pytest.mark.parametrize(
    "path", ["/models", "/health", "/nowhere", "/models/1/versions/x", "/static/scv.css", "/static/nowhere.css"]
)
async def test_each_answer_has_an_id_of_its_own(owner: Visitor, path: str) -> None:
    ids = [(await owner.get(path, headers={HEADER: "mine"})).headers[HEADER] for _ in range(2)]
    assert ids[0] != ids[1]
    assert all(re.fullmatch("[0-9a-f]{16}", request_id) for request_id in ids)


async def test_every_line_that_a_request_leaves_has_its_id(owner: Visitor, logged: Logged) -> None:
    """Also lines of libraries, and those of threads: each statement of the database is logged by SQLAlchemy."""
    version = await add_version(owner)
    async with owner.database.writing() as session:
        (await session.get_one(Version, version.id)).document = "damaged"
    statements = logging.getLogger("sqlalchemy.engine.Engine")
    engine = owner.database.engine.sync_engine

    def note(*_: object) -> None:
        statements.warning("a statement")

    event.listen(engine, "before_cursor_execute", note)
    logged()
    paths = [path_of(version), "/models", "/nowhere"]
    answers = await asyncio.gather(*(owner.get(path) for path in paths))
    lines = logged()
    assert {line["request"] for line in lines} == {answer.headers[HEADER] for answer in answers}
    (unreadable,) = (line for line in lines if line["event"] == "stored data cannot be read")
    assert unreadable["request"] == answers[0].headers[HEADER]
    assert {line["logger"] for line in lines} == {"sqlalchemy.engine.Engine", "scv.web.http.errors"}


async def test_a_line_outside_of_requests_has_no_id(owner: Visitor, logged: Logged) -> None:
    await owner.get("/models")
    logging.getLogger("scv").warning("later")
    assert "request" not in logged()[-1]
